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
// longest common subsequence.
func edit(a, b []string) []string {
	a, b = differing(a, b)
	length := common(a, b)
	var out []string
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			out = append(out, "-"+a[i])
			i++
		default:
			out = append(out, "+"+b[j])
			j++
		}
	}
	for ; i < len(a); i++ {
		out = append(out, "-"+a[i])
	}
	for ; j < len(b); j++ {
		out = append(out, "+"+b[j])
	}
	return out
}

// differing sets aside what is alike at both ends: most of a configuration file.
func differing(a, b []string) (c, d []string) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// common returns, at [i][j], the length of the longest common subsequence of a[i:] and b[j:].
func common(a, b []string) [][]int {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			length[i][j] = max(length[i+1][j], length[i][j+1])
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			}
		}
	}
	return length
}
