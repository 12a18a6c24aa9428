package grant

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/material"
)

// Tokens is what a provider gave.
type Tokens struct {
	Access material.Secret
	// Refresh is empty if the answer had none: then the one that was sent stays in force.
	Refresh material.Secret
	// AccessExpiresAt is set always; RefreshExpiresAt is zero if the provider did not say.
	AccessExpiresAt, RefreshExpiresAt time.Time
	// Scopes are those that were granted; Audiences those that are known to be in the access token.
	Scopes, Audiences []string
	// Subject is who approved, as the provider names them; empty if it did not say.
	Subject string
}

// Health says how the family of a grant fares.
type Health string

// The healths.
const (
	Fine          Health = "fine"
	Retrying      Health = "retrying"       // the provider does not answer; we go on trying
	NeedsSignIn   Health = "needs_sign_in"  // the provider refuses the refresh token for good
	NeedsOperator Health = "needs_operator" // the provider refuses us, not the person
)

// Family is what custody keeps of one grant: the refresh token in force and the tokens that came
// of it.
type Family struct {
	GrantID, Provider string // the credential, and the provider's ID
	Subject           string // who approved, as the provider names them
	Refresh           material.Secret
	RefreshExpiresAt  time.Time // zero if unknown
	// KeepAlive says that using the refresh token makes it live longer, so that it is to be used.
	KeepAlive bool
	// Default is the last token for the grant's own scopes and audiences; its Refresh is empty.
	Default Tokens

	Health      Health
	HealthSince time.Time
	Detail      string // what the provider said last, printable; empty while fine
	Failures    int    // in a row

	Renewals   int64
	RenewedAt  time.Time // last success
	DueAt      time.Time // next renewal; zero: none
	RunsOutAt  time.Time // when the first token that is in use ends
	LeaseUntil time.Time // somebody refreshes until then
	AttemptAt  time.Time // a refresh began then and its outcome is not written down; zero: none
	Attempts   int       // since the last outcome that is known
	Generation int64

	Pending credential.State // what an approval that polls must remember
	// PollAt is when to poll next, and PollUntil when to give up; zero: there is nothing to poll for.
	PollAt, PollUntil time.Time
}

// Class says what a refusal means for a grant.
type Class string

// The classes.
const (
	Dead     Class = "dead"     // the refresh token is over: the person must approve again
	Operator Class = "operator" // we are refused, or wrongly configured
	Again    Class = "again"    // it may go better later
)

// Refusal is what a provider refused, or that it did not answer.
type Refusal struct {
	Class Class
	// Code is the provider's, such as invalid_grant; empty if it sent none. Code and Description
	// are shortened and printable.
	Code, Description string
	Status            int // of HTTP; 0: there was no answer
	// Unsent says that nothing reached the provider, so that the same request can be sent again.
	Unsent bool
	// RetryAfter is how long the provider wants to be left alone; 0 if it did not say.
	RetryAfter time.Duration
	Err        error // the cause, for the log; may be nil
}

// Error says what happened in one line, without secrets.
func (r *Refusal) Error() string {
	switch {
	case r.Status == 0 && r.Description != "":
		return r.Description
	case r.Status == 0 && r.Unsent:
		return "the provider cannot be reached"
	case r.Status == 0:
		return "the provider did not answer"
	}
	text := fmt.Sprintf("the provider answered %d", r.Status)
	for _, part := range []string{r.Code, r.Description} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// OfWish reports whether the provider refused what was wished for, scopes or audiences, and not the
// grant or us: another wish may be granted.
func (r *Refusal) OfWish() bool { return r.Code == "invalid_scope" || r.Code == "invalid_target" }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrPending says that somebody has not approved yet.
var ErrPending = errors.New("not approved yet")

// ErrDeclined is the cause where an approval came back with a no, of the person or of the provider,
// and asking the same once more is no use.
var ErrDeclined = errors.New("declined at the provider")

// Clean makes text of strangers fit to show: printable characters only, at most n of them.
func Clean(s string, n int) string {
	if len(s) > 8*n { // of which no more than n can be shown
		s = s[:8*n]
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	if runes := []rune(s); len(runes) > n {
		return strings.TrimSpace(string(runes[:n]))
	}
	return s
}
