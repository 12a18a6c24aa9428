// Package subgrant holds the use cases of delegated sub-grants, which the world knows as mytokens:
// how an application asks for one and a person agrees, what its holder may do with it, and how it
// ends. All state is in the store; a token names a row. Decisions are made inside the store's
// transaction, providers are asked outside of it.
//
// It imports rows 0 to 2 only. Facades render what it returns.
package subgrant

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
)

// Grants is what a Service needs of custody and of the broker.
type Grants interface {
	// NewGrant makes a grant of by's that waits for approval, or is in force at once where the
	// provider is ourselves.
	NewGrant(ctx context.Context, by identity.Actor, spec grant.Spec, name string, life time.Duration) (credential.Credential, error)
	// Begin returns the provider's page for the approval of a grant that waits.
	Begin(ctx context.Context, by identity.Actor, grantID string) (redirect string, err error)
	// TokenOf returns an access token that is valid for a while. It asks the provider if none is at hand.
	TokenOf(ctx context.Context, grantID string, w grant.Wish) (grant.Tokens, error)
	// EndGrant ends a grant for good; ending one that has ended does nothing.
	EndGrant(ctx context.Context, by identity.Actor, grantID string) error
}

// Service is the use cases. All its fields but Log are required.
type Service struct {
	Flows  Flows
	Store  Store
	Grants Grants
	Keys   wire.Keys
	// Issuer is the URL of the facade without a slash at its end: iss and aud of every token.
	Issuer string
	// Providers are those that are delegated of.
	Providers []grant.Provider
	Library   delegation.Library
	// Life bounds how long a grant that a flow makes can live.
	Life credential.Lifetime
	Now  func() time.Time
	// Log is told what no caller can be told; nil for nobody.
	Log *slog.Logger
}

// interval is how often who waits shall ask.
const interval = 5 * time.Second

func (s *Service) log() *slog.Logger { return cmp.Or(s.Log, slog.New(slog.DiscardHandler)) }

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

func (s *Service) maker() wire.Maker { return wire.Maker{Issuer: s.Issuer, Keys: s.Keys} }

// Algorithm signs mytokens.
const Algorithm = wire.Algorithm

// Issued is a token as its holder gets it.
type Issued = wire.Issued

// Asker is who a request comes from.
type Asker struct {
	// Address is an IP address without a port; UserAgent is shortened by the Service.
	Address, UserAgent string
}

// Flow is what an application needs to wait for a person's consent.
type Flow struct {
	ConsentCode, PollingCode material.Secret
	ExpiresAt                time.Time
	Life, Interval           time.Duration // until ExpiresAt; between polls
}

// Consent is what the person decides about.
type Consent struct {
	// Provider is where they will sign in.
	Provider grant.Provider
	// Asked is what the application wants, with all templates resolved.
	Asked delegation.Wish
	// Scopes and Audiences are those of the grant that would be made.
	Scopes, Audiences []string
	// Address and UserAgent are the application's.
	Address, UserAgent   string
	CreatedAt, ExpiresAt time.Time
	// Latest is the latest end that the rules allow, and Default what is proposed where the
	// application asked for no end.
	Latest, Default time.Time
	State           delegation.FlowState
}

// AccessWish says how an access token shall be. What is empty is as the sub-grant says.
type AccessWish struct {
	Issuer            string // of the provider; checked if not empty
	Scopes, Audiences []string
	Comment           string
}

// Access is an access token of the provider.
type Access struct {
	Token             material.Secret
	ExpiresAt         time.Time
	ExpiresIn         time.Duration
	Scopes, Audiences []string
	Update            *Issued
}

// RevokeWish says what to revoke: the token that is shown, or another by its ID.
type RevokeWish struct {
	Issuer    string // of the provider; checked if not empty
	ID        string
	Recursive bool
}

// Transferred is a code for a token.
type Transferred struct {
	Code      material.Secret
	ExpiresAt time.Time
	ExpiresIn time.Duration
}

// Introspection is what a token says and how it was used.
type Introspection struct {
	ID   string
	Form delegation.Form
	// Token is the claims, with the number of uses in each restriction.
	Token json.RawMessage
}

// History is what happened, oldest first.
type History struct {
	Events []delegation.Event
	Update *Issued
}

// Node is a sub-grant with those made from it.
type Node struct {
	delegation.SubGrant
	Children []Node
}

// Trees are sub-grants in force.
type Trees struct {
	Roots  []Node
	Update *Issued
}
