// Package proxy holds the "lanyard proxy" commands: those that make, show and judge proxy files on
// this machine, and those that keep proxies at the server. It imports rows 0 to 3.
package proxy

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/spf13/cobra"
)

// Config is what the commands run on.
type Config struct {
	Console *console.Console
	// UID is the person's, for the place of the proxy file.
	UID int
	// Hosts are the names of this machine, short and full.
	Hosts []string
	// Classic prints what voms-proxy-info prints when it is called with args, and returns its exit
	// code.
	Classic func(args []string) int
}

type app struct {
	*console.Console
	c Config
}

// Command returns the commands.
func Command(c Config) *cobra.Command {
	a := &app{c.Console, c}
	noun := a.noun()
	return console.Group("proxy", "X.509 proxies with attributes of your VOs",
		`  lanyard proxy init --voms climate
  lanyard proxy info
  lanyard proxy delegate --voms climate --name nightly`,
		a.init(), a.info(), a.verify(), a.destroy(), a.create(), a.delegate(), a.upload(), a.get(),
		noun.List(a.list), a.show(), noun.Extend(), noun.Freeze(), noun.Thaw(), noun.Delete())
}

// noun is how the command line speaks of proxies that the server keeps.
func (a *app) noun() lifecycle.Noun {
	return lifecycle.Noun{Console: a.Console, Kind: "proxy", Word: "proxy", Path: "lanyard proxy", Example: "nightly", Refused: "the server"}
}

// machine is this machine and person, for the engine.
func (a *app) machine() gridproxy.Config {
	c := gridproxy.Config{Home: a.Home(), UID: a.c.UID, Getenv: a.Getenv, Now: a.Now, Hosts: a.c.Hosts}
	if a.Interactive() {
		c.AskPass = func(s gridproxy.Source) ([]byte, error) {
			text, err := a.Unseen("Passphrase of " + s.Key + ": ")
			return []byte(text), err
		}
	}
	return c
}

// path is where the proxy file is: as said, else where all grid tools look for it.
func (a *app) path(said string) string {
	if said != "" {
		return said
	}
	return proxycert.DefaultPath(a.c.UID, a.Getenv)
}

// readFile reads a file that may be anything, up to the size of a proxy file.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the person names it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, proxycert.MaxFile+1))
	if err == nil && len(text) > proxycert.MaxFile {
		return nil, fault.New(fault.Invalid, "%s is too large for a proxy", path)
	}
	return text, err
}

// parseVOMS reads the values of --voms, VO or VO:FQAN. Those of one VO belong together, in their
// order.
func parseVOMS(values []string) ([]api.VOMS, error) {
	var all []api.VOMS
	for _, v := range values {
		vo, fqan, _ := strings.Cut(v, ":")
		if vo == "" {
			return nil, console.Usage("%q names no VO", v).WithHint("write it as VO or VO:/VO/group/Role=role")
		}
		n := 0
		for n < len(all) && all[n].VO != vo {
			n++
		}
		if n == len(all) {
			all = append(all, api.VOMS{VO: vo})
		}
		if fqan != "" {
			all[n].FQANs = append(all[n].FQANs, fqan)
		}
	}
	return all, nil
}

// completeVOs completes the names of VOs.
func (a *app) completeVOs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return lifecycle.Known(cmd.Context(), a.Console).VOs, cobra.ShellCompDirectiveNoFileComp
}

// vomsFlag adds --voms to a command.
func (a *app) vomsFlag(cmd *cobra.Command, values *[]string) {
	cmd.Flags().StringArrayVar(values, "voms", nil, "add attributes of `VO[:FQAN]`; may be repeated, the first is the primary one")
	if err := cmd.RegisterFlagCompletionFunc("voms", a.completeVOs); err != nil {
		panic(err) // fixed when the program is written
	}
}

// parseLife reads a length of time as 24h, or in the way of the grid's tools, hours and minutes, as
// 24:00. Empty is zero.
func parseLife(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if h, m, ok := strings.Cut(text, ":"); ok && len(m) == 2 && m < "60" {
		text = h + "h" + m + "m"
	}
	return console.ParseSpan(text)
}

// hint is what the packages of certificates advise.
func hint(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}
