package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/spf13/cobra"
)

const (
	// pollEvery is the pause between two looks if the server names none; slowest is the longest while
	// the server does not answer.
	pollEvery = 2 * time.Second
	slowest   = time.Minute
)

// approving holds the flags of approve.
type approving struct {
	wish
	name, purpose, life string
	force, noWait, noQR bool
}

func (a *app) approve() *cobra.Command {
	var f approving
	cmd := &cobra.Command{Use: "approve PROVIDER", Short: "Approve in a browser that tokens are made for you", Args: console.Takes(1, 1, "the provider"),
		Long: "Open a page where you approve once; from then on \"lanyard token get\" and your\njobs get fresh tokens until the approval ends or is revoked. A grant that is\nthere already is repaired and keeps its id. PROVIDER may be its name, too.",
		Example: `  lanyard token approve helmholtz
  lanyard token approve wlcg --scope storage.read:/data --name analysis
  lanyard token approve helmholtz --no-wait --json`,
		ValidArgsFunction: a.complete(true),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.runApprove(cmd.Context(), f, args[0]) }}
	f.flags(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.name, "name", "n", "", "what to call it; a second grant of one provider needs a `NAME`")
	fl.StringVar(&f.purpose, "for", "", "`WHO` will use it, for the page (lanyard on this machine)")
	fl.StringVar(&f.life, "life", "", "let it live for this `TIME`: 7d, 36h (as long as usual)")
	fl.BoolVar(&f.force, "force", false, "approve anew even if nothing is wrong")
	fl.BoolVar(&f.noWait, "no-wait", false, "print the page's address and go; the same command waits later")
	fl.BoolVar(&f.noQR, "no-qr", false, "print no QR code")
	return cmd
}

func (a *app) runApprove(ctx context.Context, f approving, ref string) error {
	var life time.Duration
	var err error
	if f.life != "" {
		if life, err = console.ParseSpan(f.life); err != nil {
			return err
		}
	}
	f.scopes, f.audiences = words(f.scopes), words(f.audiences)
	s, err := a.Connect()
	if err != nil {
		return err
	}
	before, err := a.existing(ctx, s, f, ref)
	if err == nil && before.ID == "" {
		before, err = a.order(ctx, s, f, ref, life)
		err = console.Cannot("ask for the approval", err)
	} else if err == nil && detail(before).Standing == "valid" && !f.force {
		return a.approved(before, "Approved already")
	}
	if err != nil {
		return err
	}
	if immediate(before) {
		return a.approved(before, "Approved")
	}
	page, err := a.page(ctx, s, before)
	switch {
	case err != nil:
		return console.Cannot("ask for the approval", err)
	case f.noWait:
		return a.showLink(page, ref)
	}
	a.showPage(f, page)
	after, err := a.await(ctx, s, before, page)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			a.Say("The page stays open until %s. Go on waiting: lanyard token approve %s", a.At(page.ExpiresAt), console.Quote(ref))
		}
		return err
	}
	a.forget(after.ID)
	return a.approved(a.prolonged(ctx, s, after, life), "Approved")
}

// immediate reports whether a grant works without a page: the server itself makes its tokens.
func immediate(k api.Credential) bool {
	g := detail(k)
	return k.State == "active" && g.Approval == nil && g.RenewedAt.IsZero() && g.Health == string(grant.Fine)
}

// page is where a grant is approved.
func (a *app) page(ctx context.Context, s *client.Client, k api.Credential) (api.Approval, error) {
	if p := detail(k).Approval; p != nil {
		return *p, nil
	}
	return s.Approve(ctx, k.ID)
}

// showLink prints the page's address alone, for a person or program that goes there later.
func (a *app) showLink(p api.Approval, ref string) error {
	p.Schema = api.SchemaApproval
	return a.Show(console.Result{Document: p, Values: []string{p.URL}, Text: func() {
		a.Print("%s", p.URL)
		a.Say("It can be approved until %s. Wait for it: lanyard token approve %s", a.At(p.ExpiresAt), console.Quote(ref))
	}})
}

// existing finds the grant to repair: the zero Credential if a new one is wanted.
func (a *app) existing(ctx context.Context, s *client.Client, f approving, ref string) (api.Credential, error) {
	own, err := tokens.Own(ctx, s)
	if err != nil {
		return api.Credential{}, err
	}
	found := meant(own, ref)
	if f.name != "" {
		found = slices.DeleteFunc(own, func(k api.Credential) bool { return k.Name != f.name || tokens.Provider(k) != ref })
	}
	switch {
	case len(found) == 0:
		return api.Credential{}, nil
	case len(found) > 1:
		return api.Credential{}, tokens.Which(found, ref)
	}
	k, g := found[0], detail(found[0])
	if k.State == "frozen" {
		return k, fault.New(fault.Conflict, "the grant %s is frozen", k.Name).WithHint("lanyard token thaw %s", console.Quote(k.Name))
	}
	other := len(f.scopes) > 0 && !sameSet(f.scopes, g.Scopes) || len(f.audiences) > 0 && !sameSet(f.audiences, g.Audiences)
	if other {
		return k, fault.New(fault.Conflict, "the grant %s was asked for with other scopes or audiences", k.Name).
			WithHint("make one beside it with --name, or take some away: lanyard token narrow %s", console.Quote(k.Name))
	}
	return k, nil
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

// order asks the server for a new grant.
func (a *app) order(ctx context.Context, s *client.Client, f approving, provider string, life time.Duration) (api.Credential, error) {
	o := api.CredentialOrder{Kind: grant.Kind, Project: a.Project, Name: f.name, Life: int64(life / time.Second),
		Grant: &api.GrantOrder{Provider: provider, Scopes: f.scopes, Audiences: f.audiences, For: f.purpose}}
	if o.Name == "" {
		o.Name = provider
	}
	if o.Grant.For == "" {
		o.Grant.For = "lanyard on " + a.Host
	}
	return s.CreateCredential(ctx, o)
}

// showPage shows where to approve, even with --quiet: nothing can go on without it.
func (a *app) showPage(f approving, p api.Approval) {
	fmt.Fprintf(a.Err, "Approve on this page, on any device where you are signed in:\n\n    %s\n\n", console.Clean(p.URL))
	if a.OpenBrowser != nil && !a.NoInput {
		if err := a.OpenBrowser(p.URL); err == nil {
			a.Say("Your browser was told to open it.")
			return
		}
	}
	if !f.noQR {
		a.ShowQR(p.URL)
	}
}

// await looks at the grant again and again until it is approved, refused or too late. A network that
// fails for a while is let pass.
func (a *app) await(ctx context.Context, s *client.Client, before api.Credential, page api.Approval) (api.Credential, error) {
	defer a.Wait("Waiting for your approval…")()
	usual := time.Duration(page.Interval) * time.Second
	if usual <= 0 {
		usual = pollEvery
	}
	for pause := time.Duration(0); ; { // the first look is at once: it may be approved already
		if !a.Now().Before(page.ExpiresAt) {
			return before, &console.Failure{Exit: console.TimedOut, Message: "nobody approved in time", Hint: "lanyard token approve " + console.Quote(before.Name)}
		}
		select {
		case <-ctx.Done():
			return before, ctx.Err()
		case <-time.After(pause):
		}
		k, err := s.ShowCredential(ctx, before.ID)
		switch {
		case ctx.Err() != nil:
			return before, ctx.Err()
		case err != nil && console.Explain(err).Exit == console.Unavailable:
			pause = min(2*max(pause, usual), slowest)
			continue
		case err != nil:
			return before, console.Cannot("see whether it was approved", err)
		}
		pause = usual
		if k.State == "ending" || k.State == "ended" {
			return before, refused(k)
		}
		if settled(before, k) {
			return k, nil
		}
	}
}

// refused is why a grant ended while it waited.
func refused(k api.Credential) error {
	if k.Reason == "abandoned" || k.Reason == "expired" {
		return &console.Failure{Exit: console.TimedOut, Message: "nobody approved in time", Hint: "lanyard token approve " + console.Quote(tokens.Provider(k))}
	}
	if k.Reason == "declined" {
		return &console.Failure{Exit: console.Denied, Message: "the approval was declined at " + tokens.Provider(k), Hint: "the page in your browser says why; to ask again: lanyard token approve " + console.Quote(tokens.Provider(k))}
	}
	return &console.Failure{Exit: console.Denied, Message: "the approval was refused", Hint: "if that was not you, tell your support; else run lanyard token approve again"}
}

// settled reports whether somebody has approved since: a new grant has become active, or the one to
// repair is well anew. Renewals alone do not move HealthSince.
func settled(before, now api.Credential) bool {
	was, is := detail(before), detail(now)
	if now.State != "active" || before.State != "active" {
		return now.State == "active"
	}
	return is.Health == string(grant.Fine) && (was.Health == string(grant.NeedsSignIn) || is.HealthSince.After(was.HealthSince))
}

// prolonged moves the end of an approved grant as far as was asked for, or away from now if it is
// near. That it is not allowed to is no failure of the approval.
func (a *app) prolonged(ctx context.Context, s *client.Client, k api.Credential, life time.Duration) api.Credential {
	until := a.Now().Add(life)
	switch {
	case life > 0 && k.ExpiresAt.After(until.Add(-time.Minute)):
		return k
	case life == 0 && detail(k).Standing != "ends_soon", !k.ExtendUntil.After(k.ExpiresAt):
		return k
	}
	extended, err := s.ExtendCredential(ctx, k.ID, api.Extension{Life: int64(life / time.Second)})
	if err != nil {
		a.Warn("its end was not moved: %s", console.Explain(err).Message)
		return k
	}
	return extended
}

// approved tells what is there now.
func (a *app) approved(k api.Credential, did string) error {
	return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() {
		a.Done("%s: %s", did, console.Clean(k.Name))
		a.Say("  Its remaining life is %s (until %s).", grant.Life(k.ExpiresAt.Sub(a.Now())), a.At(k.ExpiresAt))
		a.Say("Next: lanyard token get %s", console.Quote(console.Clean(k.Name)))
	}})
}
