// Package vomsproxy is lanyard called by another name: voms-proxy-init, voms-proxy-info,
// voms-proxy-destroy and voms-proxy-list, as drop-in replacements for the two sets of programs that
// the field has, one in C and one in Java. Scripts read what these print and look at how they exit,
// so texts, streams and exit codes are theirs.
//
// The name chooses the flavour. Names that end in 2 behave as the C programs, names that end in 3
// as the Java programs: so Debian calls them where both are installed. The plain names behave as
// the C programs, which are what most scripts were written against. Whatever the name, the options
// of both are understood, with one dash or two, as -name value and -name=value, and shortened to
// any unique beginning; where a beginning is unique among the flavour's own options, it means that.
//
// Known differences, all on purpose: what fails is explained in further lines behind the original
// text, with the fix; expired certificates make no proxy; keys below 1024 bits are refused; host
// names of servers are checked in both flavours; all targets are sent; control characters in what
// others wrote are shown escaped, so that no attribute can pass for two lines.
//
// It may import rows 0 to 3.
package vomsproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
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

// flavour is whose manners a run has.
type flavour int

const (
	cFlavour flavour = iota
	javaFlavour
)

// program is one run.
type program struct {
	Env
	name    string // as called
	flavour flavour
	quiet   bool
	debug   bool
}

// commands are the programs by their plain names.
var commands = map[string]func(*program, context.Context, []string) int{
	"voms-proxy-init":    (*program).init,
	"voms-proxy-list":    (*program).list,
	"voms-proxy-info":    (*program).info,
	"voms-proxy-destroy": (*program).destroy,
}

// split takes a name apart: voms-proxy-init3 is voms-proxy-init in its Java flavour.
func split(name string) (string, flavour) {
	if plain, ok := strings.CutSuffix(name, "3"); ok {
		return plain, javaFlavour
	}
	return strings.TrimSuffix(name, "2"), cFlavour
}

// Knows reports whether name is one of the programs.
func Knows(name string) bool {
	plain, _ := split(name)
	return commands[plain] != nil
}

// Main runs the program called name, of which Knows must be true, and returns its exit code.
func Main(ctx context.Context, name string, args []string, env Env) int {
	plain, f := split(name)
	return commands[plain](&program{Env: env, name: name, flavour: f}, ctx, args)
}

// plain is the program's name without its flavour.
func (p *program) plain() string {
	name, _ := split(p.name)
	return name
}

// say prints to standard output, unless the run is quiet.
func (p *program) say(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintf(p.Out, format, args...)
	}
}

// print prints to standard output what was asked for.
func (p *program) print(format string, args ...any) { fmt.Fprintf(p.Out, format, args...) }

// complain prints to standard error.
func (p *program) complain(format string, args ...any) { fmt.Fprintf(p.Err, format, args...) }

// explain adds what the original programs leave out: why something failed, and the way out.
func (p *program) explain(err error) {
	e, ok := errors.AsType[*gridproxy.Error](err)
	if !ok {
		p.complain("Why: %s\n", safe(err.Error()))
		return
	}
	p.complain("Why: %s\n", safe(e.Error()))
	if e.Fault.Hint != "" {
		p.complain("Fix: %s\n", safe(e.Fault.Hint))
	}
}

// config is the person and the machine, for the engine.
func (p *program) config() gridproxy.Config {
	return gridproxy.Config{Home: p.Home, UID: p.UID, Getenv: p.Getenv, Now: p.Now, Hosts: p.Hosts}
}

// safe makes text of others safe for a terminal and for programs that read lines: control
// characters are written as \x0A, as names are. Other bytes stay.
func safe(s string) string {
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

// lines is safe for texts of servers that may have several lines.
func lines(s string) string {
	all := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i := range all {
		all[i] = safe(strings.TrimRight(all[i], "\r"))
	}
	return strings.Join(all, "\n")
}

// ask asks for a passphrase: at the terminal, or as a line of standard input.
func (p *program) ask(ctx context.Context, prompt string, prompts io.Writer) ([]byte, error) {
	answer, err := p.AskHidden(ctx, prompt)
	if !errors.Is(err, ErrNoTerminal) {
		return answer, err
	}
	fmt.Fprint(prompts, prompt)
	return p.readLine()
}

// errNoPassphrase is for an input that ends before there is a passphrase.
var errNoPassphrase = errors.New("the input ended before there was a passphrase")

// readLine reads a line of standard input, without its end.
func (p *program) readLine() ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(p.In, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return nil, errNoPassphrase
	}
	return []byte(strings.TrimRight(line, "\r\n")), nil
}
