package broker

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/stopping"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// Receipt tells what a change stopped or brought back.
type Receipt = stopping.Receipt

func (b *Broker) stopping() stopping.Stopping {
	return stopping.Stopping{Store: b.Store, Gate: b.gate(), Ledger: b.ledger(), Now: b.now, Obstacle: b.obstacle,
		Refused: func(ctx context.Context, seq int64) time.Time { return b.confirmed(ctx, seq, untilRefused) },
		Works:   func(ctx context.Context, seq int64) time.Time { return b.confirmed(ctx, seq, untilWorks) }}
}

// FreezeAccount stops a person or robot. Ref is an id or a subject.
func (b *Broker) FreezeAccount(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	return b.stopping().FreezeAccount(ctx, by, ref, reason)
}

// ThawAccount readmits a person or robot, with the credentials that their freeze stopped.
func (b *Broker) ThawAccount(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	return b.stopping().ThawAccount(ctx, by, ref)
}

// FreezeProject stops a project: its keys are refused, and nothing new is made in it.
func (b *Broker) FreezeProject(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	return b.stopping().FreezeProject(ctx, by, ref, reason)
}

// ThawProject readmits a project, with the credentials that its freeze stopped.
func (b *Broker) ThawProject(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	return b.stopping().ThawProject(ctx, by, ref)
}

// FreezeProvider stops everybody whom an identity provider, an issuer, vouches for.
func (b *Broker) FreezeProvider(ctx context.Context, by identity.Actor, issuer, reason string) (Receipt, error) {
	return b.stopping().FreezeProvider(ctx, by, issuer, reason)
}

// ThawProvider readmits an identity provider, with the credentials that its freeze stopped.
func (b *Broker) ThawProvider(ctx context.Context, by identity.Actor, issuer string) (Receipt, error) {
	return b.stopping().ThawProvider(ctx, by, issuer)
}
