// Package dropin is what programs share that Lanyard is called by instead of others: how options are
// spelled, in which flavour texts are printed, and how a person is asked for a passphrase. It may
// import rows 0 and 1.
package dropin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Env is what a run finds. All fields are required.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	Zone     *time.Location // for times that people read
	UID      int
	Home     string
	Hosts    []string // names of this machine
	Version  string
	// AskHidden asks a person for something that is not shown. After ErrNoTerminal the answer is
	// read from In.
	AskHidden func(ctx context.Context, prompt string) ([]byte, error)
}

// Flavour is whose manners a run has.
type Flavour int

// The flavours.
const (
	C Flavour = iota
	Java
)

// Program is one run of a program.
type Program struct {
	Env
	Name    string // as called
	Flavour Flavour
	Quiet   bool
	Debug   bool
}

// Split takes a name apart: voms-proxy-init3 is voms-proxy-init in its Java flavour.
func Split(name string) (string, Flavour) {
	if plain, ok := strings.CutSuffix(name, "3"); ok {
		return plain, Java
	}
	return strings.TrimSuffix(name, "2"), C
}

// Plain is the program's name without its flavour.
func (p *Program) Plain() string {
	name, _ := Split(p.Name)
	return name
}

// Say prints to standard output, unless the run is quiet.
func (p *Program) Say(format string, args ...any) {
	if !p.Quiet {
		fmt.Fprintf(p.Out, format, args...)
	}
}

// Print prints to standard output what was asked for.
func (p *Program) Print(format string, args ...any) { fmt.Fprintf(p.Out, format, args...) }

// Complain prints to standard error.
func (p *Program) Complain(format string, args ...any) { fmt.Fprintf(p.Err, format, args...) }

// Explain adds what the original programs leave out: why something failed, and the way out.
func (p *Program) Explain(err error) {
	p.Complain("Why: %s\n", Safe(err.Error()))
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Hint != "" {
		p.Complain("Fix: %s\n", Safe(f.Hint))
	}
}

// Safe makes text of others safe for a terminal and for programs that read lines: control
// characters are written as \x0A, as names are. Other bytes stay.
func Safe(s string) string {
	if !strings.ContainsFunc(s, control) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			fmt.Fprintf(&b, `\x%02X`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func control(r rune) bool { return r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 }

// Lines is safe for texts of servers that may have several lines.
func Lines(s string) string {
	all := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i := range all {
		all[i] = Safe(strings.TrimRight(all[i], "\r"))
	}
	return strings.Join(all, "\n")
}

// Ask asks for a passphrase: at the terminal, or as a line of standard input.
func (p *Program) Ask(ctx context.Context, prompt string, prompts io.Writer) ([]byte, error) {
	answer, err := p.AskHidden(ctx, prompt)
	if !errors.Is(err, ErrNoTerminal) {
		return answer, err
	}
	fmt.Fprint(prompts, prompt)
	return p.ReadLine()
}

// ErrNoPassphrase is for an input that ends before there is a passphrase.
var ErrNoPassphrase = errors.New("the input ended before there was a passphrase")

// ReadLine reads a line of standard input, without its end.
func (p *Program) ReadLine() ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(p.In, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return nil, ErrNoPassphrase
	}
	return []byte(strings.TrimRight(line, "\r\n")), nil
}

// By returns the text of the flavour as an error.
func (p *Program) By(c, java string) error {
	if p.Flavour == Java {
		return Original(java)
	}
	return Original(c)
}

// maxHours is what fits into the Java program's seconds.
const maxHours = 1<<31/3600 - 1

// Duration reads hours and minutes: "12:00".
func (p *Program) Duration(option, text string) (time.Duration, error) {
	h, m, ok := strings.Cut(text, ":")
	m, _, _ = strings.Cut(m, ":")
	if !ok || h == "" && p.Flavour == C {
		return 0, p.By("-"+option+" argument must be in the format: h:m", "Illegal format for lifetime property.")
	}
	hours, err := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	switch {
	case err != nil || err2 != nil:
		return 0, p.By("-"+option+" argument must be in the format: h:m", fmt.Sprintf("For input string: %q", Safe(text)))
	case hours < 0:
		return 0, p.By("specified hours must be positive", "Number of hours must be a positive integer.")
	case minutes < 0 || minutes > 59:
		return 0, p.By("specified minutes must be in the range 0-59", "Number of minutes must be in the range 0-59.")
	case hours > maxHours:
		return 0, Originalf("The requested lifetime is too long. The maximum value is %d hours.", maxHours)
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}
