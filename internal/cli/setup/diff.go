package setup

import (
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/material"
)

// Diff lists the lines that differ between old and new, marked - and +, with secrets hidden.
func Diff(old, new []byte, secret material.Secret) string {
	a, b := lines(old), lines(new)
	var out strings.Builder
	show := func(mark string, text string) {
		out.WriteString(mark + Hide(strings.TrimRight(text, "\r\n"), secret) + "\n")
	}
	for _, text := range edit(a, b) {
		show(text[:1], text[1:])
	}
	return out.String()
}

func lines(text []byte) []string { return slices.Collect(strings.Lines(string(text))) }

// edit returns the deletions and additions that make b of a, each line behind its mark, by their
// longest common subsequence. Configuration files are short; what is alike at both ends is set
// aside first all the same.
func edit(a, b []string) []string {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "-"+a[i])
			i++
		default:
			out = append(out, "+"+b[j])
			j++
		}
	}
	return out
}
