package vomsproxy

import (
	"fmt"
	"slices"
	"strings"
)

// usage lists the options: to standard error in the C flavour, to standard output in the Java
// flavour.
func (p *program) usage(table []option) {
	if p.flavour == javaFlavour {
		p.javaUsage(table)
		return
	}
	p.complain("%s: \n    Options\n", p.name)
	for _, o := range slices.Concat(common, table) {
		left := "-" + strings.Join(o.names, ", -")
		if o.value != "" {
			left += " <" + o.value + ">"
		}
		for i, line := range wrap(o.help, 80-35) {
			if i > 0 {
				left = ""
			}
			p.complain("    %-30s %s\n", left, line)
		}
	}
	p.complain("\n")
}

// javaUsage lists them in alphabetical order.
func (p *program) javaUsage(table []option) {
	all := slices.Concat(common, table)
	slices.SortFunc(all, func(a, b option) int { return strings.Compare(a.names[0], b.names[0]) })
	width := 0
	left := make([]string, len(all))
	for i, o := range all {
		left[i] = "    --" + o.names[0]
		for _, name := range o.names[1:] {
			if len(name) == 1 {
				left[i] = fmt.Sprintf(" -%s,--%s", name, o.names[0])
			}
		}
		if o.value != "" {
			left[i] += " <" + o.value + ">"
		}
		width = max(width, len(left[i]))
	}
	p.print("usage: %s [options]\noptions:\n", p.plain())
	for i, o := range all {
		for j, line := range wrap(o.help, 120-width-3) {
			if j > 0 {
				left[i] = ""
			}
			p.print("%-*s   %s\n", width, left[i], line)
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
func (p *program) version() {
	if p.flavour == javaFlavour {
		p.print("%s v. 3.3.2 (lanyard %s)\n", p.plain(), p.Version)
		return
	}
	p.print("%s\nVersion: 2.1.1\nCompiled: lanyard %s\n", p.plain(), p.Version)
}
