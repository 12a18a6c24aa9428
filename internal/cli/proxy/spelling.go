package proxy

import (
	"slices"
	"strings"
)

// gridFlags are the flags of init that grid users write with one dash.
var gridFlags = []string{"voms", "valid", "out", "rfc", "bits", "cert", "key", "limited", "order", "target", "pwstdin"}

// Spell lets the flags of "lanyard proxy init" be written as for voms-proxy-init, with one dash: it
// returns the arguments of the program with a second dash before them. All else stays as it is.
func Spell(args []string) []string {
	if len(args) < 2 || args[0] != "proxy" || args[1] != "init" {
		return args
	}
	spelt := slices.Clone(args)
	for i, arg := range spelt {
		word, dashed := strings.CutPrefix(arg, "-")
		name, _, _ := strings.Cut(word, "=")
		if dashed && slices.Contains(gridFlags, name) {
			spelt[i] = "-" + arg
		}
	}
	return spelt
}
