// Package delegation has the words and rules of delegated sub-grants: what somebody who holds a
// mytoken may do (capabilities), under which conditions (clauses), how a token changes with its use
// (rotation), and how each of these is narrowed, never widened, for the next one. It does no I/O and
// imports material, fault and the words of row 1 only.
package delegation

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Bounds on what a sub-grant can say. They keep rows, tokens and decisions small.
const (
	MaxClauses = 32   // of one sub-grant
	MaxListed  = 100  // scopes, audiences or hosts of one clause, and capabilities
	maxText    = 255  // bytes of a scope, an audience, a capability, a name
	MaxDepth   = 16   // generations below a root
	MaxAlive   = 1000 // sub-grants in force of one grant
)

// A SubGrant is a part of a grant that somebody else holds by a token of ours. All its state is here;
// the token names it and its Seq only.
type SubGrant struct {
	// ID is public: mom_id on the wire, and jti in the token.
	ID      string
	GrantID string // the credential it lives on
	// MadeFrom is the sub-grant that it was made from, for ever, because uses count there too. ParentID
	// is the nearest of those above that has not ended. Both are empty for the root.
	MadeFrom, ParentID string
	OwnerID            string // account
	// Issuer and Subject are the provider's URL and who approved, as the provider says.
	Issuer, Subject string
	// Provider is the provider's ID.
	Provider string
	// Name says what it is for, Application what program asked, from where.
	Name, Application, Address, UserAgent string

	// Seq counts the tokens, from 1: only the one with this number is honoured.
	Seq          int64
	Capabilities Capabilities
	// Clauses are alternatives; none means no condition. They never change.
	Clauses []Clause
	// Counts are the uses so far, one for each clause.
	Counts   []Count
	Rotation Rotation

	CreatedAt time.Time
	// IssuedAt and ExpiresAt are those of the token in force. ExpiresAt is zero if it has no end.
	IssuedAt, ExpiresAt time.Time
	// EndedAt is zero while it is in force.
	EndedAt   time.Time
	Reason    Reason
	OwnerName string // for display
}

// Reason says why a sub-grant ended.
type Reason string

// The reasons.
const (
	Revoked  Reason = "revoked"  // by who held it, or one of its ancestors, or its owner
	Replayed Reason = "replayed" // a token that was replaced was shown again
	Over     Reason = "expired"
)

// Alive reports whether s is in force and its token not expired at now.
func (s SubGrant) Alive(now time.Time) bool {
	return s.EndedAt.IsZero() && (s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt))
}

// Holder is what stands behind a sub-grant: its grant and the account.
type Holder struct {
	Grant credential.Credential
	// Stopped says that the operator stopped the account, or the provider that it signs in at.
	Stopped bool
}

// A Chain is a sub-grant, then what it was made from, and so on up to the root, with what they stand
// on. Those above the first can have ended: that ends nobody's rights below, and gives none back.
type Chain struct {
	Holder Holder
	Links  []SubGrant
}

// Count is how often a clause was used.
type Count struct {
	AT    int64 `json:"at"`
	Other int64 `json:"other"`
}

// A Clause is one set of conditions. What is empty or nil demands nothing.
type Clause struct {
	NotBefore, Expires time.Time
	Scope, Audience    []string
	// Hosts are addresses and networks ("192.0.2.7", "2001:db8::/32"), and "this" in requests.
	Hosts []string
	// UsagesAT and UsagesOther are how often it allows an access token, and anything else.
	UsagesAT, UsagesOther *int64
	// Include names templates to narrow it with; in requests only.
	Include []string
}

// Rotation says when a use of a token replaces it. The zero Rotation never does.
type Rotation struct {
	OnAT, OnOther bool
	// AutoRevoke ends the sub-grant when a token that was replaced is shown again.
	AutoRevoke bool
	// Lifetime is that of each successor; zero for as long as the clauses allow.
	Lifetime time.Duration
	// Include names templates; in requests only.
	Include []string
}

// Use is what somebody wants to do with a token.
type Use struct {
	// AT says that it is an access token; else it is any other use.
	AT bool
	// Scopes and Audience are those of the access token. Where none is named, a clause's own are
	// meant; if Final, all that the grant has.
	Scopes, Audience []string
	Final            bool
	Address          netip.Addr
	At               time.Time
}

// Form is how a token is handed over.
type Form string

// The forms.
const (
	FormToken    Form = "token"         // a JWT
	FormShort    Form = "short_token"   // 64 letters
	FormTransfer Form = "transfer_code" // a code that is changed into one of the others, once
)

// A Wish asks for a sub-grant. What is nil or empty is not asked for.
type Wish struct {
	Issuer            string // of the provider
	Name, Application string
	Capabilities      Capabilities
	Clauses           []Clause
	Rotation          *Rotation
	Form              Form
	// MaxLen is the longest token that the asker can keep; 0 for any.
	MaxLen int
	// Include names profiles.
	Include []string
	// Strict refuses clauses that go beyond what is there to give, instead of cutting them.
	Strict bool
}

// FlowState says how far a flow has come.
type FlowState string

// The states: asked → accepted → issued; or declined, or failed.
const (
	Asked    FlowState = "asked"
	Accepted FlowState = "accepted" // the person is, or was, at the provider
	Issued   FlowState = "issued"
	Declined FlowState = "declined"
	Failed   FlowState = "failed" // nothing will come of it
)

// A Flow is one request for a root sub-grant, from an application that polls for the answer.
type Flow struct {
	ID string
	// Consent and Polling are hashes of the two codes.
	Consent, Polling []byte
	State            FlowState
	Provider         string // its ID
	// Wish is as asked, with profiles and "this" resolved; Granted as the person accepted it.
	Wish, Granted      Wish
	Address, UserAgent string // of who asks
	OwnerID, GrantID   string // set from Accepted on
	CreatedAt          time.Time
	ExpiresAt          time.Time
}

// Purpose says what a code stands for.
type Purpose string

// The purposes.
const (
	ForShort    Purpose = "short"
	ForTransfer Purpose = "transfer"
)

// A Code is a random text that stands for a token.
type Code struct {
	Hash       []byte
	Purpose    Purpose
	SubGrantID string
	Seq        int64 // of the token that it stands for
	// Form is what a transfer code is changed into.
	Form Form
	// Sole says that nobody else was given the token: who revokes the code revokes the sub-grant.
	Sole      bool
	ExpiresAt time.Time // zero: as the sub-grant
}

// An Event is one line of a sub-grant's history.
type Event struct {
	SubGrantID string
	At         time.Time
	// Name is as in mytoken: "created", "AT_created", …
	Name, Comment      string
	Address, UserAgent string
}

// An Error is a refusal as the protocol words it: clients match on these texts.
type Error struct {
	Status            int // of HTTP
	Code, Description string
	RetryAfter        time.Duration // of 429: when it may go better
}

// Error implements error.
func (e *Error) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Description)
}
