package token

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/spf13/cobra"
)

// standings are the words of a table for how a grant stands.
var standings = map[string]string{"absent": "waits for you", "valid": "valid", "ends_soon": "less than a day left",
	"revoked": "revoked", "expired": "expired", "paused": "paused"}

func (a *app) list(noun lifecycle.Noun) *cobra.Command {
	var providers bool
	cmd := noun.List(a.table)
	cmd.Short = "List what you approved, or the providers"
	cmd.Example = "  lanyard token list\n  lanyard token list --providers\n  lanyard token list --all --json"
	cmd.Flags().BoolVar(&providers, "providers", false, "the providers that grants can be had for")
	grants := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if providers {
			return a.listProviders(cmd.Context())
		}
		return grants(cmd, args)
	}
	return cmd
}

// table prints grants.
func (a *app) table(ks []api.Credential, owners bool) {
	if len(ks) == 0 {
		a.Say("You have approved nothing yet. Choose a provider: lanyard token list --providers")
		return
	}
	head := []string{"NAME", "PROVIDER", "FOR", "SCOPES", "LEFT", "RENEWED", "STATE"}
	if owners {
		head = append([]string{"OWNER"}, head...)
	}
	var rows [][]string
	for _, k := range ks {
		g := detail(k)
		left := ""
		if k.ExpiresAt.After(a.Now()) {
			left = console.Span(k.ExpiresAt.Sub(a.Now()))
		}
		row := []string{k.Name, g.Provider, g.For, strings.Join(g.Scopes, " "), left, times(g.Renewals), a.state(k)}
		if owners {
			row = append([]string{k.Owner}, row...)
		}
		rows = append(rows, row)
	}
	a.Table(head, rows)
	for _, k := range ks {
		if g := detail(k); g.NextStep != "" && g.Standing != "paused" {
			a.Say("%s: %s", console.Clean(k.Name), console.Clean(g.NextStep))
		}
	}
}

func times(n int64) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// state tells how a grant stands and what hinders it.
func (a *app) state(k api.Credential) string {
	g := detail(k)
	word := cmp.Or(standings[g.Standing], k.State)
	switch grant.Health(g.Health) {
	case grant.Retrying:
		return word + ", retrying since " + g.HealthSince.In(a.Zone).Format("15:04")
	case grant.NeedsSignIn:
		return word + ": sign in again"
	case grant.NeedsOperator:
		return word + ": the operator has to look at it"
	}
	return word
}

func (a *app) listProviders(ctx context.Context) error {
	s, err := a.Connect()
	if err != nil {
		return err
	}
	got, err := s.ListProviders(ctx)
	if err != nil {
		return err
	}
	ids := []string{}
	var rows [][]string
	for _, p := range got.Items {
		health := "fine"
		if p.Health != "" && p.Health != health {
			health = strings.ReplaceAll(p.Health, "_", " ") + ", since " + a.Relative(p.HealthSince)
		}
		ids = append(ids, p.ID)
		rows = append(rows, []string{p.ID, p.Title, p.Issuer, strings.Join(p.Scopes, " "), health})
	}
	return a.Show(console.Result{Document: got, Values: ids, Text: func() {
		if len(rows) == 0 {
			a.Say("This server knows no provider.")
			return
		}
		a.Table([]string{"PROVIDER", "TITLE", "ISSUER", "SCOPES", "HEALTH"}, rows)
	}})
}

// shown is a grant with what was passed on of it.
type shown struct {
	api.Credential
	Subgrants []api.Subgrant `json:"subgrants"`
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{Use: "show GRANT", Short: "Show one grant, how it stands, and what was passed on", Args: console.Takes(1, 1, "the grant"),
		Example:           "  lanyard token show helmholtz\n  lanyard token show helmholtz --json",
		ValidArgsFunction: a.complete(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, k, err := a.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d := shown{k, a.subgrants(cmd.Context(), s, k.ID)}
			return a.Show(console.Result{Document: d, Values: []string{k.ID}, Text: func() {
				a.fields(k)
				a.tree(d.Subgrants)
			}})
		}}
}

// find asks the server for the grant that somebody named.
func (a *app) find(ctx context.Context, ref string) (*client.Client, api.Credential, error) {
	s, err := a.Connect()
	if err != nil {
		return nil, api.Credential{}, err
	}
	k, err := s.ShowGrant(ctx, ref)
	return s, k, err
}

// subgrants are what was passed on of a grant; none where the server knows no such thing.
func (a *app) subgrants(ctx context.Context, s *client.Client, id string) []api.Subgrant {
	got, err := s.ListSubgrants(ctx, id)
	if err != nil {
		a.Detail("What was passed on is not known: %s", console.Explain(err).Message)
		return []api.Subgrant{}
	}
	return got.Items
}

func (a *app) fields(k api.Credential) {
	g := detail(k)
	health := strings.ReplaceAll(g.Health, "_", " ")
	if g.Health != string(grant.Fine) && !g.HealthSince.IsZero() {
		health += " since " + a.At(g.HealthSince)
	}
	renewed := ""
	if g.Renewals > 0 {
		renewed = times(g.Renewals) + ", last " + a.Relative(g.RenewedAt)
	}
	if !g.NextRenewalAt.IsZero() && g.Health == string(grant.Fine) {
		renewed = strings.TrimPrefix(renewed+", next "+a.Relative(g.NextRenewalAt), ", ")
	}
	a.Fields([][2]string{{"name", k.Name}, {"provider", g.Provider}, {"for", g.For}, {"scopes", strings.Join(g.Scopes, " ")},
		{"audiences", strings.Join(g.Audiences, " ")}, {"standing", g.StandingText}, {"next step", g.NextStep}, {"health", health}, {"because", g.Detail},
		{"renewed", renewed}, {"token ends", a.When(g.AccessExpiresAt)}, {"project", k.Project}, {"state", lifecycle.State(k)},
		{"created", a.When(k.CreatedAt)}, {"ends", a.When(k.ExpiresAt)}, {"can be extended until", a.When(k.ExtendUntil)}, {"ended", a.When(k.EndedAt)},
		{"last used", a.noun().LastUse(k)}, {"id", k.ID}})
	if g.Approval != nil {
		a.Say("It waits for you: %s", console.Clean(g.Approval.URL))
	}
}

// tree prints what was passed on, each below what it came from.
func (a *app) tree(all []api.Subgrant) {
	if len(all) == 0 {
		return
	}
	depth := map[string]int{}
	a.Print("passed on")
	for _, s := range all { // parents come before their children
		depth[s.ID] = 1
		if at, ok := depth[s.ParentID]; ok {
			depth[s.ID] = min(at+1, 20)
		}
		state := s.State
		if s.Reason != "" {
			state += " (" + strings.ReplaceAll(s.Reason, "_", " ") + ")"
		}
		ends := ""
		if !s.ExpiresAt.IsZero() && s.State == "active" {
			ends = ", ends " + a.Relative(s.ExpiresAt)
		}
		a.Print("%s%s  %s%s  %s", strings.Repeat("  ", depth[s.ID]), console.Clean(cmp.Or(s.Name, s.Application, "unnamed")), state, ends, s.ID)
	}
}

func (a *app) history() *cobra.Command {
	return &cobra.Command{Use: "history GRANT", Short: "Show what was done with a grant", Args: console.Takes(1, 1, "the grant"),
		Example:           "  lanyard token history helmholtz\n  lanyard token history helmholtz --json",
		ValidArgsFunction: a.complete(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, k, err := a.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			got, err := s.ListAudit(cmd.Context(), client.AuditFilter{Subject: k.ID})
			if err != nil {
				return err
			}
			var rows [][]string
			for _, r := range got.Items {
				rows = append(rows, []string{a.At(r.At), r.Action, r.ActorName, r.Address})
			}
			return a.Show(console.Result{Document: got, Text: func() {
				a.Table([]string{"WHEN", "WHAT", "WHO", "FROM"}, rows)
			}})
		}}
}
