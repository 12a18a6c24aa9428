// Package token holds the "lanyard token" commands: those that have a person approve a grant, get
// access tokens of it, show what there is, and take it back. It imports rows 0 to 3.
package token

import (
	"context"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/spf13/cobra"
)

// Config is what the commands run on.
type Config struct {
	Console *console.Console
	// UID is the person's, for the place where programs look for a token.
	UID int
}

type app struct {
	*console.Console
	c Config
}

// Command returns the commands.
func Command(c Config) *cobra.Command {
	a := &app{c.Console, c}
	noun := a.noun()
	return console.Group("token", "Access tokens of providers that you approved once",
		`  lanyard token approve helmholtz
  lanyard token get helmholtz
  lanyard token list`,
		a.approve(), a.get(), a.list(noun), a.show(), a.narrow(), a.history(), noun.Extend(), noun.Freeze(), noun.Thaw(), a.revoke(noun))
}

// noun is how the command line speaks of grants.
func (a *app) noun() lifecycle.Noun {
	return lifecycle.Noun{Console: a.Console, Kind: "grant", Word: "grant", Path: "lanyard token", Example: "helmholtz", Refused: "the server",
		Personal: true, Resolve: a.resolve, Forget: func(k api.Credential) { a.forget(k.ID) }}
}

// resolve finds the grant that the person means, by its name or by its provider.
func (a *app) resolve(ctx context.Context, s *client.Client, ref string) (api.Credential, error) {
	own, err := tokens.Own(ctx, s)
	if err != nil {
		return api.Credential{}, err
	}
	switch found := meant(own, ref); len(found) {
	case 0:
		return api.Credential{}, fault.New(fault.NotFound, "you have no grant that is called %q, and none for such a provider", ref).
			WithHint("see: lanyard token list --all")
	case 1:
		return found[0], nil
	default:
		return api.Credential{}, tokens.Which(found, ref)
	}
}

// meant are those of own that ref can mean: those of that name, else those of that provider.
func meant(own []api.Credential, ref string) (found []api.Credential) {
	for _, k := range own {
		if k.Name == ref || k.ID == ref {
			found = append(found, k)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, k := range own {
		if tokens.Provider(k) == ref {
			found = append(found, k)
		}
	}
	return found
}

// forget forgets the tokens of a grant on this machine.
func (a *app) forget(id string) {
	if cache, err := tokens.Open(a.Console); err == nil {
		cache.Forget(id)
	}
}

// complete completes the names of grants, and with providers those too.
func (a *app) complete(providers bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		known := lifecycle.Known(cmd.Context(), a.Console)
		words := known.Credentials["grant"]
		if providers {
			words = append(known.Providers, words...)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// wish holds the flags that say what a token is for.
type wish struct{ scopes, audiences []string }

func (w *wish) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&w.scopes, "scope", nil, "only this `SCOPE`; may be repeated")
	cmd.Flags().StringArrayVar(&w.audiences, "audience", nil, "for this `AUDIENCE` only; may be repeated")
}

// words splits the values at blanks, as scopes stand in a token.
func words(values []string) []string { return strings.Fields(strings.Join(values, " ")) }

// detail is what k has beyond other credentials.
func detail(k api.Credential) api.Grant {
	if k.Grant == nil {
		return api.Grant{}
	}
	return *k.Grant
}
