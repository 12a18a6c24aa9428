package dropin

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// An Option is one that a program understands.
type Option struct {
	// names are its spellings without dashes. The first is the key under which its values are.
	Names []string
	Only  Only
	Value string // what its value is called in the usage; empty: it has none
	Help  string
}

// Only says which original program has an option. The other flavour understands it as well.
type Only int

// Who has an option.
const (
	Both Only = iota // both have it
	OnlyC
	OnlyJava
)

func (o Only) in(f Flavour) bool {
	return o == Both || o == OnlyC && f == C || o == OnlyJava && f == Java
}

// common options are understood by every program.
var common = []Option{
	{Names: []string{"help"}, Help: "show this text and exit"},
	{Names: []string{"usage"}, Help: "show this text and exit"},
	{Names: []string{"version"}, Help: "show the version and exit"},
	{Names: []string{"debug"}, Help: "tell more of what is done"},
	{Names: []string{"quiet", "q"}, Help: "tell errors only"},
	{Names: []string{"conf"}, Value: "file", Help: "read more options from a file; words that begin with # start a comment"},
}

// Given are the options of a command line, by the first of their names.
type Given map[string][]string

// Has reports whether an option is given.
func (g Given) Has(name string) bool { return len(g[name]) > 0 }

// last returns the last value of an option, which wins.
func (g Given) Last(name string) string {
	if all := g[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// The limits of options files.
const (
	maxOptionsFile = 1 << 20
	maxNesting     = 8 // options files that name options files
)

// parse reads a command line. Its errors are complete texts for standard error.
func (p *Program) parse(table []Option, args []string) (Given, error) {
	g := Given{}
	return g, p.parseInto(g, table, args, 0)
}

func (p *Program) parseInto(g Given, table []Option, args []string, nesting int) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if name == "" || !strings.HasPrefix(arg, "-") {
			if done, err := p.word(arg, args, nesting); done {
				return err
			}
			continue
		}
		o, err := p.find(table, arg, name)
		switch {
		case err != nil:
			return err
		case o.Value == "" && hasValue:
			return p.misused(arg, "doesn't allow an argument", "Unrecognized option: "+arg)
		case o.Value != "" && !hasValue:
			if len(args) == 0 || p.Flavour == Java && p.isOption(table, args[0]) {
				return p.misused(arg, "requires an argument", "Missing argument for option: "+name)
			}
			value, args = args[0], args[1:]
		}
		if o.Names[0] != "conf" {
			g[o.Names[0]] = append(g[o.Names[0]], value)
			continue
		}
		if err := p.optionsFile(g, table, value, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

// word handles a word that is no option. The C programs refuse it, but for comments; the Java
// programs pass over it. Done means that nothing behind it is read.
func (p *Program) word(arg string, rest []string, nesting int) (done bool, err error) {
	if p.Flavour == Java {
		return arg == "--", nil
	}
	if arg == "--" {
		if len(rest) == 0 {
			return true, nil
		}
		arg = rest[0]
	}
	if strings.HasPrefix(arg, "#") && nesting == 0 {
		return true, nil
	}
	return true, Originalf("Found non option element %s in command line.", Safe(arg))
}

// find returns the option that a spelling means.
func (p *Program) find(table []Option, arg, name string) (Option, error) {
	var mine, others, exact []Option
	for _, o := range slices.Concat(table, common) {
		switch {
		case slices.Contains(o.Names, name):
			exact = append(exact, o)
		case !slices.ContainsFunc(o.Names, func(n string) bool { return strings.HasPrefix(n, name) }):
		case o.Only.in(p.Flavour):
			mine = append(mine, o)
		default:
			others = append(others, o)
		}
	}
	matches := mine
	switch {
	case len(exact) > 0:
		return exact[0], nil
	case len(mine) == 0:
		matches = others
	}
	switch {
	case len(matches) == 1:
		return matches[0], nil
	case len(matches) == 0 || name == "":
		return Option{}, p.refuse("unrecognized option '"+Safe(arg)+"'", "Unrecognized option: "+Safe(arg))
	}
	dashes := arg[:len(arg)-len(strings.TrimLeft(arg, "-"))]
	text := fmt.Sprintf("option '%s' is ambiguous; possibilities:", Safe(arg))
	for _, o := range matches {
		text += fmt.Sprintf(" '%s%s'", dashes, o.Names[0])
	}
	return Option{}, p.refuse(text, "Unrecognized option: "+Safe(arg))
}

func (p *Program) isOption(table []Option, arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if !strings.HasPrefix(arg, "-") || name == "" {
		return false
	}
	return slices.ContainsFunc(slices.Concat(table, common), func(o Option) bool { return slices.Contains(o.Names, name) })
}

// misused is refuse for an option by the name that was given.
func (p *Program) misused(arg, what, java string) error {
	name, _, _ := strings.Cut(arg, "=")
	return p.refuse(fmt.Sprintf("option '%s' %s", Safe(name), what), Safe(java))
}

// Original is an error with the text that an original program prints.
type Original string

// Error implements error.
func (o Original) Error() string { return string(o) }

// Originalf makes one, formatted as by fmt.Sprintf.
func Originalf(format string, args ...any) Original { return Original(fmt.Sprintf(format, args...)) }

// misspelt is an original after which the Java programs show their usage.
type misspelt struct{ Original }

// refuse makes the error of a flavour.
func (p *Program) refuse(c, java string) error {
	if p.Flavour == Java {
		return misspelt{Original("Error parsing command line arguments: " + java)}
	}
	return Original(p.Name + ": " + c)
}

// optionsFile reads options from a file, words separated by blanks.
func (p *Program) optionsFile(g Given, table []Option, path string, nesting int) error {
	if nesting > maxNesting {
		return Originalf("Error reading options file: %s names itself", path)
	}
	data, err := ReadFile(path, maxOptionsFile)
	if err != nil {
		return Originalf("Error reading options file: %s (%s)", path, Reason(err))
	}
	var words []string
	for line := range strings.Lines(string(data)) {
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "#") {
				break
			}
			words = append(words, word)
		}
	}
	return p.parseInto(g, table, words, nesting)
}

// ReadFile reads a file of the person's.
func ReadFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > limit:
		return nil, errors.New("too long")
	}
	return os.ReadFile(path) //nolint:gosec // the person names it
}

// Reason is what the system says, in the words that C and Java programs show: capitalised.
func Reason(err error) string {
	text := err.Error()
	if p, ok := errors.AsType[*os.PathError](err); ok {
		text = p.Err.Error()
	}
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// Start parses the command line and does what every program does alike. Where done is true, the
// run ends with code.
func (p *Program) Start(table []Option, args []string) (g Given, code int, done bool) {
	g, err := p.parse(table, args)
	if err != nil {
		p.Complain("%s\n", err)
		if _, ok := errors.AsType[misspelt](err); ok {
			p.javaUsage(table)
		}
		return g, 1, true
	}
	p.Debug, p.Quiet = g.Has("debug"), g.Has("quiet")
	switch {
	case g.Has("help") || g.Has("usage"):
		p.usage(table)
		return g, 0, true
	case p.Debug && p.Quiet && p.Flavour == Java:
		p.Complain("-debug and -quiet cannot be used together.\n")
		return g, 1, true
	case g.Has("version"):
		p.version()
		return g, 0, true
	}
	p.Quiet = p.Quiet && !p.Debug
	return g, 0, false
}
