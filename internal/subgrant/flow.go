package subgrant

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant/consent"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// Start begins a flow: an application asks, somebody will decide.
func (s *Service) Start(ctx context.Context, w delegation.Wish, from Asker) (Flow, error) {
	f, err := s.start(ctx, w, from)
	return f, s.refusal(ctx, err)
}

func (s *Service) start(ctx context.Context, w delegation.Wish, from Asker) (Flow, error) {
	now := s.now()
	w, err := s.Library.Expand(w, now)
	if err != nil {
		return Flow{}, err
	}
	p, ok := s.provider(func(p grant.Provider) bool { return p.Issuer != "" && sameURL(p.Issuer, w.Issuer) })
	if !ok {
		return Flow{}, delegation.UnknownIssuer()
	}
	if w.Clauses, err = delegation.Located(w.Clauses, from.addr()); err != nil {
		return Flow{}, err
	}
	if end := delegation.End(w.Clauses); !end.IsZero() && !end.After(now) {
		return Flow{}, delegation.Invalid("token would already be expired")
	}
	if w.Strict && delegation.End(w.Clauses).After(s.latest(p, now)) {
		return Flow{}, delegation.TooLong()
	}
	if w.Capabilities == nil {
		w.Capabilities = delegation.DefaultCapabilities()
	}
	if w.Capabilities = delegation.AllCapabilities().Intersect(w.Capabilities); len(w.Capabilities) == 0 {
		return Flow{}, delegation.NoCapability()
	}
	if w.Rotation != nil && !w.Rotation.Active() {
		w.Rotation = nil
	}
	code, hash := wire.NewCode()
	polling, pollingHash := wire.NewCode()
	f := delegation.Flow{ID: "dlf_" + rand.Text(), Consent: hash, Polling: pollingHash, State: delegation.Asked, Provider: p.ID, Wish: w,
		Address: from.Address, UserAgent: grant.Clean(from.UserAgent, 200), CreatedAt: now, ExpiresAt: now.Add(wire.CodeLife)}
	if err := s.Flows.InsertFlow(ctx, f); err != nil {
		return Flow{}, err
	}
	return Flow{ConsentCode: code, PollingCode: polling, ExpiresAt: f.ExpiresAt, Life: wire.CodeLife, Interval: interval}, nil
}

func (s *Service) provider(is func(grant.Provider) bool) (grant.Provider, bool) {
	i := slices.IndexFunc(s.Providers, is)
	if i < 0 {
		return grant.Provider{}, false
	}
	return s.Providers[i], true
}

func sameURL(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// latest is the latest end of a grant at the provider that is made at now.
func (s *Service) latest(p grant.Provider, now time.Time) time.Time {
	return now.Add(s.Life.Narrow(0, p.MaxLife).Max)
}

// asked finds the flow of a consent code that somebody can still answer, or did.
func (s *Service) asked(ctx context.Context, by identity.Actor, code string) (delegation.Flow, grant.Provider, error) {
	unknown := fault.New(fault.NotFound, "there is no such request, or its five minutes are over").WithHint("start again in the application that asked")
	switch {
	case by.AccountID == "" || by.Kind != identity.Person:
		return delegation.Flow{}, grant.Provider{}, fault.New(fault.Denied, "only a person can agree to this").WithHint("sign in with your own account")
	case !by.Holds(identity.WriteTokens):
		return delegation.Flow{}, grant.Provider{}, fault.New(fault.Denied, "this token may not change grants").WithHint("sign in in a browser")
	}
	f, err := s.Flows.FlowByCode(ctx, wire.Hash(material.Secret(code)))
	if fault.CodeOf(err) == fault.NotFound {
		return f, grant.Provider{}, unknown
	}
	if err != nil {
		return f, grant.Provider{}, err
	}
	p, ok := s.provider(func(p grant.Provider) bool { return p.ID == f.Provider })
	mine := f.State == delegation.Asked || f.State == delegation.Accepted && f.OwnerID == by.AccountID
	if !ok || !mine || !bytes.Equal(f.Consent, wire.Hash(material.Secret(code))) || !s.now().Before(f.ExpiresAt) {
		return f, p, unknown
	}
	return f, p, nil
}

// Asked returns what a flow asks for. A code that is unknown or over is a NotFound fault.
func (s *Service) Asked(ctx context.Context, by identity.Actor, code string) (Consent, error) {
	f, p, err := s.asked(ctx, by, code)
	if err != nil {
		return Consent{}, err
	}
	now := s.now()
	latest := s.latest(p, now)
	standard := latest
	if def := s.Life.Narrow(0, p.MaxLife).Default; def > 0 && now.Add(def).Before(latest) {
		standard = now.Add(def)
	}
	spec := consent.Spec(f.Wish, p)
	return Consent{Provider: p, Asked: f.Wish, Scopes: spec.Scopes, Audiences: spec.Audiences, Address: f.Address, UserAgent: f.UserAgent,
		CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt, Latest: latest, Default: standard, State: f.State}, nil
}

// Accept agrees to a flow, as it was asked or narrowed, and returns the provider's page; "" where
// nothing is left to do. In changed, what is nil or empty stays as asked. Nothing can be given that
// was not asked for: that is an Invalid fault.
func (s *Service) Accept(ctx context.Context, by identity.Actor, code string, changed delegation.Wish) (redirect string, err error) {
	f, p, err := s.asked(ctx, by, code)
	if err != nil {
		return "", err
	}
	if f.State == delegation.Asked {
		if f, err = s.accept(ctx, by, f, p, changed); err != nil {
			return "", err
		}
	}
	h, err := s.Flows.Holder(ctx, f.GrantID)
	switch {
	case err != nil:
		return "", err
	case h.Grant.Status == credential.Intended:
		return s.Grants.Begin(ctx, by, f.GrantID)
	case over(h):
		return "", fault.New(fault.NotFound, "nothing will come of this request: it was declined at %s, or ended", cmp.Or(p.Title, p.ID)).WithHint("start again in the application that asked")
	}
	return "", nil
}

// accept makes the grant that will wait for the provider. Should we die before the flow knows of it,
// it is abandoned like any grant that nobody approves.
func (s *Service) accept(ctx context.Context, by identity.Actor, f delegation.Flow, p grant.Provider, changed delegation.Wish) (delegation.Flow, error) {
	now := s.now()
	granted, err := consent.Narrowed(f, changed)
	if err != nil {
		return f, err
	}
	until := s.latest(p, now)
	if end := delegation.End(granted.Clauses); !end.IsZero() && end.Before(until) {
		until = end
	}
	if !until.After(now) {
		return f, fault.New(fault.Invalid, "it would be over already").WithHint("choose a later end")
	}
	c, err := s.Grants.NewGrant(ctx, by, consent.Spec(granted, p), consent.Name(granted), until.Sub(now))
	if err != nil {
		return f, err
	}
	f.State, f.Granted, f.OwnerID, f.GrantID = delegation.Accepted, granted, by.AccountID, c.ID
	record := audit.By(by, now, "delegation.accept", f.ID, "").With("grant", c.ID).With("application", f.Wish.Application).With("asker", f.Address)
	err = s.Flows.SaveFlow(ctx, f, delegation.Asked, delegation.Change{Records: []audit.Record{record}})
	if err == nil {
		return f, nil
	}
	// Whatever happened, nothing will come of the new grant.
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, s.Grants.EndGrant(undo, by, c.ID))
	if errors.Is(err, fault.ErrStale) {
		err = fault.New(fault.Conflict, "this request was answered meanwhile").WithHint("start again in the application that asked").WithCause(err)
	}
	return f, err
}

// Decline refuses a flow.
func (s *Service) Decline(ctx context.Context, by identity.Actor, code string) error {
	f, _, err := s.asked(ctx, by, code)
	if err != nil {
		return err
	}
	was := f.State
	f.State = delegation.Declined
	record := audit.By(by, s.now(), "delegation.decline", f.ID, "").With("application", f.Wish.Application).With("asker", f.Address)
	if err := s.Flows.SaveFlow(ctx, f, was, delegation.Change{Records: []audit.Record{record}}); err != nil {
		return err
	}
	if f.GrantID == "" {
		return nil
	}
	return s.Grants.EndGrant(ctx, by, f.GrantID) // it was accepted before, and the person came back
}

// Poll returns the token of a flow, once. It has nothing to return until the person has agreed here
// and at the provider. A reply that is lost is lost for good: the person can end what nobody holds.
func (s *Service) Poll(ctx context.Context, polling material.Secret, from Asker) (Issued, error) {
	i, err := s.poll(ctx, polling, from)
	return i, s.refusal(ctx, err)
}

func (s *Service) poll(ctx context.Context, polling material.Secret, from Asker) (Issued, error) {
	sum := wire.Hash(polling)
	f, err := s.Flows.FlowByCode(ctx, sum)
	if fault.CodeOf(err) == fault.NotFound || err == nil && !bytes.Equal(f.Polling, sum) {
		return Issued{}, wire.BadCode()
	}
	if err != nil {
		return Issued{}, err
	}
	switch {
	case f.State == delegation.Declined:
		return Issued{}, wire.DeclinedByUser()
	case f.State != delegation.Asked && f.State != delegation.Accepted:
		return Issued{}, wire.BadCode()
	case !s.now().Before(f.ExpiresAt): // from now on Run ends the grant
		return Issued{}, wire.ExpiredCode()
	case f.State == delegation.Asked:
		return Issued{}, wire.Pending()
	}
	return s.collect(ctx, f, from)
}

// collect returns the token of a flow that the person accepted, if the provider has too.
func (s *Service) collect(ctx context.Context, f delegation.Flow, from Asker) (Issued, error) {
	h, err := s.Flows.Holder(ctx, f.GrantID)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return Issued{}, wire.BadCode()
	case err != nil:
		return Issued{}, err
	case h.Grant.Usable(s.now()) && !h.Stopped:
		return s.issue(ctx, f, h, from)
	case over(h): // the person or the provider said no
		return Issued{}, s.fail(ctx, f)
	case h.Grant.Status != credential.Intended: // frozen: the operator said no
		return Issued{}, wire.BadCode()
	}
	return Issued{}, wire.Pending()
}

// over reports whether the grant has ended, or is about to.
func over(h delegation.Holder) bool {
	return h.Grant.Status == credential.Ending || h.Grant.Status == credential.Ended
}

// issue makes the root sub-grant of a flow whose grant is in force. The flow's row says what is to
// be made, so that it does not matter who died in between.
func (s *Service) issue(ctx context.Context, f delegation.Flow, h delegation.Holder, from Asker) (Issued, error) {
	tokens, err := s.Grants.TokenOf(ctx, f.GrantID, grant.Wish{})
	if r, ok := errors.AsType[*grant.Refusal](err); ok && r.Class == grant.Dead || fault.CodeOf(err) == fault.Conflict {
		return Issued{}, s.fail(ctx, f)
	}
	if err != nil {
		// Any other answer would end the client's waiting.
		s.log().WarnContext(ctx, "a grant for a mytoken has no access token yet", "grant", f.GrantID, "err", err)
		return Issued{}, wire.Pending()
	}
	clauses, err := consent.Granted(f.Granted.Clauses, tokens)
	if err == nil {
		clauses, err = delegation.Cap(clauses, h.Grant.ExpiresAt)
	}
	if err != nil {
		return Issued{}, s.fail(ctx, f)
	}
	p, _ := s.provider(func(p grant.Provider) bool { return p.ID == f.Provider })
	now := s.now()
	g := newSubGrant(f.Granted, clauses, Asker{Address: f.Address, UserAgent: f.UserAgent}, now)
	g.GrantID, g.OwnerID, g.OwnerName, g.Provider, g.Issuer = f.GrantID, f.OwnerID, h.Grant.OwnerName, f.Provider, p.Issuer
	g.Subject, g.Capabilities = cmp.Or(tokens.Subject, f.OwnerID), f.Granted.Capabilities
	hand, err := s.maker().Hand(g, f.Wish, now)
	if err != nil {
		return Issued{}, err
	}
	f.State = delegation.Issued
	err = s.Flows.SaveFlow(ctx, f, delegation.Accepted, delegation.Change{Insert: []delegation.SubGrant{g}, Codes: hand.Codes,
		Events:  []delegation.Event{from.event(g.ID, "created", "Used grant_type oidc_flow authorization_code", now)},
		Records: []audit.Record{created(g, from, now)}})
	if errors.Is(err, fault.ErrStale) {
		return Issued{}, wire.BadCode()
	}
	if err != nil {
		return Issued{}, err
	}
	return s.maker().Delivered(g, hand, now)
}

// fail ends a flow of which nothing can come, and its grant.
func (s *Service) fail(ctx context.Context, f delegation.Flow) error {
	f.State = delegation.Failed
	if err := s.Flows.SaveFlow(ctx, f, delegation.Accepted, delegation.Change{}); err != nil && !errors.Is(err, fault.ErrStale) {
		return err
	}
	if err := s.Grants.EndGrant(ctx, identity.System(), f.GrantID); err != nil {
		return err
	}
	return wire.BadCode()
}
