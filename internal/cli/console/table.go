package console

import (
	"strings"
	"unicode/utf8"
)

// narrowest is how far a column is cut to fit a terminal, in columns.
const narrowest = 8

// Table prints rows under headings, with two blanks between columns. On a terminal that is too
// narrow the widest columns are cut, marked by "…"; in a pipe nothing ever is.
func (c *Console) Table(head []string, rows [][]string) {
	all := append([][]string{head}, rows...)
	width := make([]int, len(head))
	for _, row := range all {
		for i := range row {
			row[i] = Clean(row[i])
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	if c.OutTerminal && c.Width > 0 {
		fit(width, c.Width)
	}
	for n, row := range all {
		var b strings.Builder
		for i, text := range row {
			text = cut(text, width[i])
			b.WriteString(text)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(text)+2))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = c.paint(c.OutTerminal, dim, line)
		}
		c.Print("%s", line)
	}
}

// fit narrows the widest columns until their sum, with the gaps, is at most total.
func fit(width []int, total int) {
	for {
		sum, widest := -2, 0
		for i, w := range width {
			sum += w + 2
			if w > width[widest] {
				widest = i
			}
		}
		if sum <= total || width[widest] <= narrowest {
			return
		}
		width[widest]--
	}
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Fields prints names and values below each other, leaving out empty values.
func (c *Console) Fields(fields [][2]string) {
	width := 0
	for _, f := range fields {
		if f[1] != "" {
			width = max(width, len(f[0]))
		}
	}
	for _, f := range fields {
		if f[1] != "" {
			c.Print("%s%s", f[0]+strings.Repeat(" ", width-len(f[0])+2), Clean(f[1]))
		}
	}
}
