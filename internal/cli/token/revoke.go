package token

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/spf13/cobra"
)

func (a *app) narrow() *cobra.Command {
	var w wish
	cmd := &cobra.Command{Use: "narrow GRANT", Short: "Take scopes or audiences away from a grant, for good", Args: console.Takes(1, 1, "the grant"),
		Long:              "Take scopes or audiences away from a grant: those that you name remain. Whoever\nuses it gets narrower tokens from now on. It cannot be undone without approving\nanew.",
		Example:           "  lanyard token narrow wlcg --scope storage.read:/data",
		ValidArgsFunction: a.complete(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := api.Narrowing{Scopes: words(w.scopes), Audiences: words(w.audiences)}
			if len(n.Scopes)+len(n.Audiences) == 0 {
				return console.Usage("nothing is named that shall remain").WithHint("add --scope or --audience")
			}
			s, err := a.Connect()
			if err != nil {
				return err
			}
			before, err := a.noun().Find(cmd.Context(), s, args[0])
			if err != nil {
				return console.Cannot("narrow "+args[0], err)
			}
			k, err := s.Narrow(cmd.Context(), before.ID, n)
			if err != nil {
				return console.Cannot("narrow "+args[0], err)
			}
			a.forget(k.ID)
			return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() {
				g := detail(k)
				a.Done("%s is left with: %s", console.Clean(k.Name), console.Clean(strings.Join(append(g.Scopes, g.Audiences...), " ")))
				a.Say("Tokens that were handed out keep what they have until their end.")
			}})
		}}
	w.flags(cmd)
	return cmd
}

// revoke is the command that ends a grant for good, after saying what stops with it.
func (a *app) revoke(noun lifecycle.Noun) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke GRANT...", Aliases: []string{"delete", "rm", "end"}, Short: "End a grant for good: whoever uses it gets no more tokens",
		Long:    "End a grant for good: whoever uses it gets no more tokens, and the provider is\ntold. With the id of a mytoken, as \"lanyard token show\" lists them, end that one\nand all that came of it.",
		Example: "  lanyard token revoke helmholtz\n  lanyard token revoke helmholtz wlcg --yes\n  lanyard token revoke sgr_7Q…"}
	noun.Change(cmd, "revoke", func(ctx context.Context, s *client.Client, k api.Credential) (api.Credential, error) {
		if why := a.stops(k, a.subgrants(ctx, s, k.ID)); why != "" {
			if err := a.Confirm(ctx, why, k.Name, "revoke"); err != nil {
				return k, err
			}
		}
		a.forget(k.ID)
		after, err := s.DeleteCredential(ctx, k.ID)
		if after.Grant == nil {
			after.Grant = k.Grant
		}
		return after, err
	}, func(before, k api.Credential) {
		a.Done("%s is revoked: no more tokens come of it", console.Clean(k.Name))
		if end := detail(before).AccessExpiresAt; end.After(a.Now()) {
			a.Say("Tokens that were handed out may be accepted until %s.", a.At(end))
		}
		if k.State == "ending" {
			a.Say("The provider is being told (lanyard token show %s).", k.ID)
		}
		a.Say("Approve anew: lanyard token approve %s", console.Quote(tokens.Provider(before)))
	})
	grants := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		passedOn := func(ref string) bool { return strings.HasPrefix(ref, "sgr_") }
		switch {
		case !slices.ContainsFunc(args, passedOn):
			return grants(cmd, args)
		case slices.ContainsFunc(args, func(ref string) bool { return !passedOn(ref) }):
			return console.Usage("grants and mytokens are revoked apart").WithHint("use two commands")
		}
		return a.endMytokens(cmd.Context(), args)
	}
	return cmd
}

// endMytokens ends parts of grants that were passed on, and all that came of them.
func (a *app) endMytokens(ctx context.Context, ids []string) error {
	s, err := a.Connect()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.EndSubgrant(ctx, id, true); err != nil {
			return console.Cannot("revoke "+id, err)
		}
		a.Done("%s is revoked, and all that came of it", id)
	}
	return nil
}

// stops tells what would stop without the grant; empty if nothing does.
func (a *app) stops(k api.Credential, passedOn []api.Subgrant) string {
	active := 0
	for _, s := range passedOn {
		if s.State == "active" {
			active++
		}
	}
	var what []string
	if active > 0 {
		what = append(what, fmt.Sprintf("mytokens that come of it end too: %d", active))
	}
	if !k.LastUsedAt.IsZero() && a.Now().Sub(k.LastUsedAt).Hours() < 24 {
		use := "it was used " + a.Relative(k.LastUsedAt)
		if k.LastUsedBy != "" {
			use += " by " + k.LastUsedBy
		}
		what = append(what, use)
	}
	if len(what) == 0 {
		return ""
	}
	if g := detail(k); g.For != "" {
		what = append(what, "it is for "+g.For)
	}
	return k.Name + " is in use: " + strings.Join(what, "; ")
}
