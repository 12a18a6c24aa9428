package vomsproxy

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// An option is one that a program understands.
type option struct {
	// names are its spellings without dashes. The first is the key under which its values are.
	names []string
	only  only
	value string // what its value is called in the usage; empty: it has none
	help  string
}

// only says which original program has an option. The other flavour understands it as well.
type only int

const (
	both only = iota
	onlyC
	onlyJava
)

func (o only) in(f flavour) bool {
	return o == both || o == onlyC && f == cFlavour || o == onlyJava && f == javaFlavour
}

// common options are understood by every program.
var common = []option{
	{names: []string{"help"}, help: "show this text and exit"},
	{names: []string{"usage"}, help: "show this text and exit"},
	{names: []string{"version"}, help: "show the version and exit"},
	{names: []string{"debug"}, help: "tell more of what is done"},
	{names: []string{"quiet", "q"}, help: "tell errors only"},
	{names: []string{"conf"}, value: "file", help: "read more options from a file; words that begin with # start a comment"},
}

// given are the options of a command line, by the first of their names.
type given map[string][]string

func (g given) has(name string) bool { return len(g[name]) > 0 }

// last returns the last value of an option, which wins.
func (g given) last(name string) string {
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
func (p *program) parse(table []option, args []string) (given, error) {
	g := given{}
	return g, p.parseInto(g, table, args, 0)
}

func (p *program) parseInto(g given, table []option, args []string, nesting int) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if arg == "--" || arg == "-" || !strings.HasPrefix(arg, "-") {
			if done, err := p.word(arg, args, nesting); done {
				return err
			}
			continue
		}
		o, err := p.find(table, arg, name)
		switch {
		case err != nil:
			return err
		case o.value == "" && hasValue:
			return p.misused(arg, "doesn't allow an argument", "Unrecognized option: "+arg)
		case o.value != "" && !hasValue:
			if len(args) == 0 || p.flavour == javaFlavour && p.isOption(table, args[0]) {
				return p.misused(arg, "requires an argument", "Missing argument for option: "+name)
			}
			value, args = args[0], args[1:]
		}
		if o.names[0] != "conf" {
			g[o.names[0]] = append(g[o.names[0]], value)
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
func (p *program) word(arg string, rest []string, nesting int) (done bool, err error) {
	if p.flavour == javaFlavour {
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
	return true, originalf("Found non option element %s in command line.", safe(arg))
}

// find returns the option that a spelling means.
func (p *program) find(table []option, arg, name string) (option, error) {
	var mine, others, exact []option
	for _, o := range slices.Concat(table, common) {
		switch {
		case slices.Contains(o.names, name):
			exact = append(exact, o)
		case !slices.ContainsFunc(o.names, func(n string) bool { return strings.HasPrefix(n, name) }):
		case o.only.in(p.flavour):
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
		return option{}, p.refuse("unrecognized option '"+safe(arg)+"'", "Unrecognized option: "+safe(arg))
	}
	dashes := arg[:len(arg)-len(strings.TrimLeft(arg, "-"))]
	text := fmt.Sprintf("option '%s' is ambiguous; possibilities:", safe(arg))
	for _, o := range matches {
		text += fmt.Sprintf(" '%s%s'", dashes, o.names[0])
	}
	return option{}, p.refuse(text, "Unrecognized option: "+safe(arg))
}

func (p *program) isOption(table []option, arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if !strings.HasPrefix(arg, "-") || name == "" {
		return false
	}
	return slices.ContainsFunc(slices.Concat(table, common), func(o option) bool { return slices.Contains(o.names, name) })
}

// misused is refuse for an option by the name that was given.
func (p *program) misused(arg, what, java string) error {
	name, _, _ := strings.Cut(arg, "=")
	return p.refuse(fmt.Sprintf("option '%s' %s", safe(name), what), safe(java))
}

// original is an error with the text that an original program prints.
type original string

func (o original) Error() string { return string(o) }

func originalf(format string, args ...any) original { return original(fmt.Sprintf(format, args...)) }

// misspelt is an original after which the Java programs show their usage.
type misspelt struct{ original }

// refuse makes the error of a flavour.
func (p *program) refuse(c, java string) error {
	if p.flavour == javaFlavour {
		return misspelt{original("Error parsing command line arguments: " + java)}
	}
	return original(p.name + ": " + c)
}

// optionsFile reads options from a file, words separated by blanks.
func (p *program) optionsFile(g given, table []option, path string, nesting int) error {
	if nesting > maxNesting {
		return originalf("Error reading options file: %s names itself", path)
	}
	data, err := readLimited(path, maxOptionsFile)
	if err != nil {
		return originalf("Error reading options file: %s (%s)", path, reason(err))
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

// readLimited reads a file of the person's.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > limit:
		return nil, errors.New("too long")
	}
	return os.ReadFile(path)
}

// reason is what the system says, in the words that C and Java programs show: capitalised.
func reason(err error) string {
	text := err.Error()
	if p, ok := errors.AsType[*os.PathError](err); ok {
		text = p.Err.Error()
	}
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// start parses the command line and does what every program does alike. Where done is true, the
// run ends with code.
func (p *program) start(table []option, args []string) (g given, code int, done bool) {
	g, err := p.parse(table, args)
	if err != nil {
		p.complain("%s\n", err)
		if _, ok := errors.AsType[misspelt](err); ok {
			p.javaUsage(table)
		}
		return g, 1, true
	}
	p.debug, p.quiet = g.has("debug"), g.has("quiet")
	switch {
	case g.has("help") || g.has("usage"):
		p.usage(table)
		return g, 0, true
	case p.debug && p.quiet && p.flavour == javaFlavour:
		p.complain("-debug and -quiet cannot be used together.\n")
		return g, 1, true
	case g.has("version"):
		p.version()
		return g, 0, true
	}
	p.quiet = p.quiet && !p.debug
	return g, 0, false
}
