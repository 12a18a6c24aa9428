package console

import (
	"context"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/spf13/cobra"
)

// Group is a command that only holds others.
func Group(use, short, example string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknown(cmd, args[0])
		}}
	cmd.AddCommand(sub...)
	return cmd
}

// unknown refuses a word that is no command, and names those that may have been meant: near it by
// spelling, or of the same name elsewhere.
func unknown(cmd *cobra.Command, word string) error {
	near := cmd.SuggestionsFor(word)
	for n := range near {
		near[n] = cmd.CommandPath() + " " + near[n]
	}
	if len(near) == 0 {
		walk(cmd.Root(), func(c *cobra.Command) {
			if (c.Name() == word || c.HasAlias(word)) && !c.Hidden {
				near = append(near, c.CommandPath())
			}
		})
	}
	f := Usage("%q is not a command of %s", word, cmd.CommandPath())
	if len(near) > 0 {
		return f.WithHint("did you mean: %s?", strings.Join(near, ", "))
	}
	return f.WithHint("see: %s --help", cmd.CommandPath())
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, visit)
	}
}

// Takes is an Args rule: between least and most words, called what.
func Takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return Usage("%s is missing", what).WithHint("see: %s --help", cmd.CommandPath())
		case len(args) > most && most == 0:
			return Usage("%q is not expected here", args[0]).WithHint("see: %s --help", cmd.CommandPath())
		case len(args) > most:
			return Usage("%q is not expected after %s", args[most], what).WithHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
}

// Lifetime are the flags that say how long something shall live.
type Lifetime struct{ span, until string }

// Flags adds them to a command.
func (l *Lifetime) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.span, "for", "", "live for this `TIME`: 7d, 36h, 90m")
	cmd.Flags().StringVar(&l.until, "until", "", "live until this `DATE`: 2026-12-01 (its end) or 2026-12-01T12:00")
}

// Parse reads them; both results are zero if neither flag was given.
func (l *Lifetime) Parse(c *Console) (life time.Duration, until time.Time, err error) {
	if l.span != "" && l.until != "" {
		return 0, time.Time{}, Usage("--for and --until exclude each other")
	}
	if l.span != "" {
		life, err = ParseSpan(l.span)
	}
	if l.until != "" {
		until, err = c.ParseMoment(l.until)
	}
	return life, until, err
}

// Order begins the order of a credential: for how long, and what it is called, name or, if that is
// empty, fallback with this host's name behind it.
func (l *Lifetime) Order(c *Console, kind, name, fallback string) (api.CredentialOrder, error) {
	span, until, err := l.Parse(c)
	if name == "" {
		name = fallback + " " + c.Host
	}
	return api.CredentialOrder{Kind: kind, Name: name, Life: int64(span.Seconds()), ExpiresAt: until}, err
}

// SecretGoes refuses to print a secret where nobody would look for it: into a pipe, in a form for
// people. It is asked before the secret is made.
func (c *Console) SecretGoes() error {
	if c.Output != "table" || c.OutTerminal {
		return nil
	}
	return Usage("the output is not a terminal, and the secret can be shown only once").
		WithHint("say in which form to print it: --output json, env or value")
}

// InProject connects and finds the project to work in.
func (c *Console) InProject(ctx context.Context) (*client.Client, string, error) {
	s, err := c.Connect()
	if err != nil {
		return nil, "", err
	}
	project, err := c.ProjectName(ctx, s)
	return s, project, err
}
