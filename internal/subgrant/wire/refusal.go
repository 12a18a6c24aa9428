package wire

import (
	"errors"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
)

// BadCode is a code that is unknown, used up, or of a flow that came to nothing.
func BadCode() *delegation.Error { return delegation.Malformed("Bad polling or transfer code") }

// ExpiredCode is a code that nobody used in time.
func ExpiredCode() *delegation.Error {
	return &delegation.Error{Status: 401, Code: "expired_token", Description: "polling or transfer code is expired"}
}

// DeclinedByUser tells who polls that the person said no.
func DeclinedByUser() *delegation.Error {
	return &delegation.Error{Status: 401, Code: "access_denied", Description: "user declined consent"}
}

// Pending tells who polls to come again.
func Pending() *delegation.Error {
	return &delegation.Error{Status: 428, Code: "authorization_pending"}
}

// Refusal is what the protocol says for err, which is not nil. Internal reports that err is ours to
// repair: nothing of it is told, so it must be logged.
func Refusal(err error) (refusal *delegation.Error, internal bool) {
	if e, ok := errors.AsType[*delegation.Error](err); ok {
		return e, false
	}
	switch f := fault.Public(err); {
	case f.Code == fault.NotFound:
		return delegation.BadToken(), false
	case f.Code == fault.Limited && f.RetryAfter > 0:
		return &delegation.Error{Status: 429, Code: "too_many_requests", Description: f.Message, RetryAfter: f.RetryAfter}, false
	case f.Code == fault.Invalid || f.Code == fault.Denied || f.Code == fault.Limited:
		return delegation.Invalid("%s", f.Message), false
	case f.Code == fault.Unavailable:
		return delegation.Unavailable(f.Message), false
	}
	return delegation.Unavailable("internal error"), true
}

// OfProvider words what custody says of a provider as clients expect it.
func OfProvider(err error) error {
	if r, ok := errors.AsType[*grant.Refusal](err); ok {
		switch {
		case r.Code != "" && r.Description != "":
			return ofProvider(r.Code + ": " + r.Description)
		case r.Code != "":
			return ofProvider(r.Code)
		default:
			return delegation.Unavailable(r.Error())
		}
	}
	switch f := fault.Public(err); f.Code {
	case fault.Denied: // more than was granted
		return ofProvider("invalid_scope: " + f.Message)
	case fault.Conflict: // the grant needs a person
		return ofProvider("invalid_grant: " + f.Message)
	}
	return err
}

// ofProvider is what a provider refused: error, colon, description.
func ofProvider(text string) *delegation.Error {
	return &delegation.Error{Status: 400, Code: "oidc_error", Description: text}
}
