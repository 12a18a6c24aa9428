package dropin

import (
	"fmt"
	"slices"
	"strings"
)

// usage lists the options: to standard error in the C flavour, to standard output in the Java
// flavour.
func (p *Program) usage(table []Option) {
	if p.Flavour == Java {
		p.javaUsage(table)
		return
	}
	p.Complain("%s: \n    Options\n", p.Name)
	for _, o := range slices.Concat(common, table) {
		left := "-" + strings.Join(o.Names, ", -")
		if o.Value != "" {
			left += " <" + o.Value + ">"
		}
		for i, line := range wrap(o.Help, 80-35) {
			if i > 0 {
				left = ""
			}
			p.Complain("    %-30s %s\n", left, line)
		}
	}
	p.Complain("\n")
}

// javaUsage lists them in alphabetical order.
func (p *Program) javaUsage(table []Option) {
	all := slices.Concat(common, table)
	slices.SortFunc(all, func(a, b Option) int { return strings.Compare(a.Names[0], b.Names[0]) })
	width := 0
	left := make([]string, len(all))
	for i, o := range all {
		left[i] = "    --" + o.Names[0]
		for _, name := range o.Names[1:] {
			if len(name) == 1 {
				left[i] = fmt.Sprintf(" -%s,--%s", name, o.Names[0])
			}
		}
		if o.Value != "" {
			left[i] += " <" + o.Value + ">"
		}
		width = max(width, len(left[i]))
	}
	p.Print("usage: %s [options]\noptions:\n", p.Plain())
	for i, o := range all {
		for j, line := range wrap(o.Help, 120-width-3) {
			if j > 0 {
				left[i] = ""
			}
			p.Print("%-*s   %s\n", width, left[i], line)
		}
	}
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var all []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			all, line = append(all, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(all, line)
}

// version names the program and the version that are imitated, because scripts choose options by
// them.
func (p *Program) version() {
	if p.Flavour == Java {
		p.Print("%s v. 3.3.2 (lanyard %s)\n", p.Plain(), p.Version)
		return
	}
	p.Print("%s\nVersion: 2.1.1\nCompiled: lanyard %s\n", p.Plain(), p.Version)
}
