package delegation

import (
	"fmt"
	"time"
)

// Refusals of the protocol. Each is a new value, so that nobody can change another's.

// Invalid is a request that cannot be right.
func Invalid(format string, args ...any) *Error {
	return &Error{Status: 400, Code: "invalid_request", Description: fmt.Sprintf(format, args...)}
}

// BadToken is a token that is revoked, replaced or unknown: nothing more is told.
func BadToken() *Error { return &Error{Status: 401, Code: "invalid_token"} }

// Malformed is a token that is none of ours.
func Malformed(description string) *Error {
	return &Error{Status: 401, Code: "invalid_token", Description: description}
}

// Expired is a token whose time was over at end. Clients match on "token is expired".
func Expired(end, now time.Time) *Error {
	return Malformed("token is expired by " + now.Sub(end).Truncate(time.Second).String())
}

// Incapable is a use that the token's capabilities do not cover.
func Incapable() *Error {
	return &Error{Status: 403, Code: "insufficient_capabilities", Description: "The provided token does not have the required capability for this operation"}
}

// NoAncestor is an attempt to revoke another's token.
func NoAncestor() *Error {
	return &Error{Status: 403, Code: "insufficient_capabilities", Description: "The provided token is neither a parent of the token to be revoked nor does it have the 'manage_mytokens:revoke' capability"}
}

// restricted is a use that no clause allows.
func restricted() *Error {
	return &Error{Status: 403, Code: "usage_restricted", Description: "The restrictions of this token does not allow this usage"}
}

// NotTheirs is a mom_id that the token may not touch, or that there is not; what says what for, as
// in "revoke this mom_id".
func NotTheirs(what string) *Error {
	return &Error{Status: 403, Code: "invalid_grant", Description: "The provided token cannot be used to " + what}
}

// NoCapability is a wish of which no capability can be given.
func NoCapability() *Error {
	return Invalid("mytoken to be issued cannot have any of the requested capabilities")
}

// TooWide is a wish that goes beyond what there is to give.
func TooWide() *Error {
	return Invalid("requested restrictions are not subset of original restrictions")
}

// TooLong is a wish for a longer life than the rules allow.
func TooLong() *Error {
	return Invalid("requested restrictions do not respect maximum mytoken lifetime")
}

// WrongIssuer is a token of another provider than the request says.
func WrongIssuer() *Error { return Invalid("token not for specified issuer") }

// UnknownIssuer is a provider that nothing is delegated of.
func UnknownIssuer() *Error { return Invalid("The provided issuer is not supported") }

// Unavailable is a provider or a database that does not answer.
func Unavailable(text string) *Error {
	return &Error{Status: 500, Code: "internal_server_error", Description: text}
}
