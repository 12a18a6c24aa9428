// Package issuer is Lanyard as OpenID provider for its own clients: discovery, keys, authorization
// code with PKCE, device flow, refresh, revocation, introspection, userinfo. It translates the
// protocol into calls of login, which holds the rules of sessions and tokens; its own are the
// signing keys. Every use of the zitadel/oidc library stands here.
package issuer

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Store keeps signing keys. The database seals their private halves.
type Store interface {
	// SigningKeys returns all there are, oldest NotBefore first.
	SigningKeys(context.Context) ([]session.SigningKey, error)
	// InsertSigningKey adds a key, unless its algorithm already has one with the same or a later
	// NotBefore: then nothing is written and the answer is false.
	InsertSigningKey(context.Context, session.SigningKey, audit.Record) (bool, error)
	// PurgeSigningKeys removes those whose RetiredAt lies before the time.
	PurgeSigningKeys(ctx context.Context, before time.Time) error
}
