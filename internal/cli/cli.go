// Package cli is the command tree: flags in, one call of the client, text out. It is an ordinary
// client of the server. It imports rows 0 to 3; commands of other packages come in through Config.
package cli

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/spf13/cobra"
)

// Config is what the command line runs on.
type Config struct {
	Console *console.Console
	// More are commands of other packages, made for the same Console: serve, admin, configure.
	More []*cobra.Command
}

type app struct{ *console.Console }

// New returns the command tree. Run also runs it and finds the exit code.
func New(c Config) *cobra.Command {
	a := &app{c.Console}
	root := console.Group("lanyard", "Keys and tokens that expire, for research computing",
		`  lanyard login --server https://lanyard.example.org
  lanyard configure rclone --project 462000008
  lanyard s3 key list`,
		a.login(), a.logout(), a.whoami(), a.project(), a.s3(), a.robot(), a.version(), a.completion(), a.man())
	root.AddCommand(c.More...)
	root.AddCommand(topics()...)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.Check() }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return console.Usage("%v", err).WithHint("see: %s --help", cmd.CommandPath())
	})
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { help(cmd); return nil })
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	a.flags(root)
	return root
}

// flags are those that every command has.
func (a *app) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.Server, "server", "", "the `URL` of the server to speak to")
	f.StringVarP(&a.Project, "project", "p", "", "the `PROJECT` to work in")
	f.StringVarP(&a.Output, "output", "o", "table", "`FORMAT`: table, json, yaml, env or value")
	f.BoolVar(&a.JSON, "json", false, "the same as --output json")
	f.BoolVarP(&a.Yes, "yes", "y", false, "do not ask before what cannot be undone")
	f.BoolVar(&a.NoInput, "no-input", false, "never ask anything; fail instead")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVarP(&a.Verbose, "verbose", "v", false, "tell more of what is done")
	f.BoolVar(&a.Debug, "debug", false, "show what is sent and received, without secrets")
	f.BoolVar(&a.NoColor, "no-color", false, "print no colours")
	must(root.RegisterFlagCompletionFunc("project", a.completeProjects))
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "env", "value"}, cobra.ShellCompDirectiveNoFileComp)))
}

// Run runs the command line and returns the exit code of the program.
func Run(ctx context.Context, c Config, args []string) int {
	root := New(c)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if child, ok := errors.AsType[*console.ChildExit](err); ok {
		c.Console.Report(child.Err)
		return child.Code
	}
	return int(c.Console.Report(err))
}

// must is for what is fixed when the program is written.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
