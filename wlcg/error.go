package wlcg

import "fmt"

// A Reason says in one word why a token is refused, for programs.
type Reason string

// The reasons.
const (
	TooLarge      Reason = "too_large" // the token, or one of its parts
	Malformed     Reason = "malformed" // no compact JWS of a JSON object, or one that readers disagree about
	BadAlgorithm  Reason = "algorithm" // none that is accepted, or not that of the key
	BadKey        Reason = "key"       // not in the issuer's set, there twice, too weak, or not named
	BadSignature  Reason = "signature" // does not verify
	WrongKind     Reason = "kind"      // no access token of an accepted profile
	WrongIssuer   Reason = "issuer"    // from another one
	WrongAudience Reason = "audience"  // for others
	Expired       Reason = "expired"
	NotYet        Reason = "not_yet" // issued, or valid, in the future
	BadClaim      Reason = "claim"   // missing, or of an impossible form
)

// An Error is the refusal of a token. All errors that a token causes have this type.
type Error struct {
	Reason Reason
	// Detail says in English what is wrong. It holds no part of the signature.
	Detail string
}

func (e *Error) Error() string { return "the token is refused: " + e.Detail }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
