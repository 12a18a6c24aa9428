package broker

import (
	"context"
	"errors"
	"strings"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker/access"
	"github.com/lanyardhq/lanyard/internal/broker/ledger"
	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Inspect returns one credential and, if its kind makes material anew at each asking, what may be
// seen of it at any time: certificates, and a signing request that waits.
func (b *Broker) Inspect(ctx context.Context, by identity.Actor, ref string) (Issued, error) {
	c, state, err := b.gate().Credential(ctx, by, ref, access.Reads)
	if err != nil {
		return Issued{}, err
	}
	kind, ok := b.Kinds[c.Kind].(credential.Retriever)
	if !ok || len(state) == 0 {
		return Issued{Credential: c}, nil
	}
	m, err := kind.Material(ctx, c, state)
	return Issued{Credential: c, Material: m}, err
}

// Complete brings a credential into force with the answer that it waits for. One that is in force
// already is renewed, and then ends as late as allowed.
func (b *Broker) Complete(ctx context.Context, by identity.Actor, ref, answer string, once audit.Once) (credential.Credential, error) {
	c, state, err := b.gate().Own(ctx, by, ref)
	if err != nil {
		return c, err
	}
	p, err := standing.Project(ctx, b.Store, c.ProjectID)
	if err == nil {
		err = p.RefuseWork(b.now())
	}
	if err != nil {
		return c, err
	}
	for range ledger.Tries {
		done, err := b.ledger().Done(ctx, by, once)
		if err != nil || done != "" {
			return c, err
		}
		next, made, err := b.completed(ctx, p, c, state, answer)
		if err != nil {
			return c, err
		}
		verb := "complete"
		if c.Status == credential.Active {
			verb = "renew"
		}
		record := ledger.Record(by, b.now(), verb, next).With("rights", string(next.Spec))
		_, err = b.Store.SaveState(ctx, next, made, audit.Change{Record: record, Once: once})
		if err == nil {
			err = b.stillAllowed(ctx, next)
		}
		if !errors.Is(err, fault.ErrStale) {
			return next, err
		}
		if c, state, err = b.Store.Credential(ctx, c.ID); err != nil {
			return c, err
		}
	}
	return c, ledger.ErrBeaten
}

// completed returns what becomes of c with the answer, and its new state.
func (b *Broker) completed(ctx context.Context, p project.Project, c credential.Credential, s credential.State, answer string) (credential.Credential, credential.State, error) {
	kind, ok := b.Kinds[c.Kind].(credential.Completer)
	if !ok {
		return c, nil, fault.New(fault.Invalid, "a %s waits for nothing", credential.Noun(c.Kind))
	}
	if _, err := c.Complete(b.now(), c.ExpiresAt); err != nil { // before any work is done for it
		return c, nil, err
	}
	why, err := b.obstacle(ctx, c)
	if why != "" {
		err = standing.Refuse(c, why)
	}
	if err != nil {
		return c, nil, err
	}
	made, err := kind.Complete(ctx, c, s, answer)
	if err != nil {
		return c, nil, err
	}
	next := c
	next.Spec = made.Spec
	until := c.ExpiresAt
	if c.Status == credential.Active {
		until = b.now().Add(b.Lifetime(p, c.Kind).Max)
	}
	next, err = next.Complete(b.now(), b.bounds().Within(next, until))
	return next, made.State, err
}

// Retrieve returns material that is made for this moment, to the owner alone, and records that it
// did. What was frozen or ended while it was made is not handed out.
func (b *Broker) Retrieve(ctx context.Context, by identity.Actor, ref string, w credential.Wish) (Issued, error) {
	c, state, err := b.gate().Own(ctx, by, ref)
	if err != nil {
		return Issued{}, err
	}
	kind, ok := b.Kinds[c.Kind].(credential.Retriever)
	if !ok {
		return Issued{}, fault.New(fault.Invalid, "a %s is not fetched: its secret was shown when it was made", credential.Noun(c.Kind))
	}
	if err := c.Refusal(b.now()); err != nil {
		return Issued{}, err
	}
	m, err := kind.Retrieve(ctx, c, state, w)
	if err != nil {
		return Issued{}, err
	}
	use := credential.Use{CredentialID: c.ID, At: b.now(), By: strings.TrimSpace(by.Client + " from " + by.Address)}
	if err := b.Store.RecordUse(ctx, use, ledger.HandedOut(ledger.Record(by, use.At, "retrieve", c), m)); err != nil {
		return Issued{}, err
	}
	if c, _, err = b.Store.Credential(ctx, c.ID); err == nil {
		err = c.Refusal(b.now())
	}
	if err != nil {
		return Issued{}, err
	}
	return Issued{Credential: c, Material: m}, nil
}
