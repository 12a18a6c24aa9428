// Package signin is how a program of one person stays signed in to Lanyard servers: it is the
// OAuth client of the server's issuer (authorization code with a loopback redirect, device flow,
// refresh, revocation) and it keeps the tokens, in the system's keyring or in a file. It imports
// deliver, fault, identity and material.
package signin

import (
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// ClientID is the name under which the issuer knows this program: a public client.
const ClientID = "lanyard-cli"

// ErrNotApproved is in the chain of what a sign-in fails with when nobody approved it in time.
var ErrNotApproved = errors.New("not approved in time")

// ErrInsecure is in the chain of what is refused because others could have read or changed it.
var ErrInsecure = errors.New("others could read this")

// Tokens are what the issuer gave. All of it is secret.
type Tokens struct {
	Access material.Secret `json:"access_token"`
	// AccessExpiresAt is when the access token ends, by this machine's clock.
	AccessExpiresAt time.Time `json:"access_expires_at"`
	// Refresh is spent by its use; empty for tokens that do not refresh, such as a robot's.
	Refresh material.Secret `json:"refresh_token,omitempty"`
}

// A SignIn is one server that this person is signed in to.
type SignIn struct {
	// Server is the base URL without a path, as client.Server returns it.
	Server    string `json:"server"`
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	// ExpiresAt is the session's end; zero if unknown.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// TokenEndpoint and RevocationEndpoint are as the issuer published them at sign-in.
	TokenEndpoint      string `json:"token_endpoint,omitempty"`
	RevocationEndpoint string `json:"revocation_endpoint,omitempty"`
}
