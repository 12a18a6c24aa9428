package wlcg

import (
	"context"
	"crypto"
	"errors"
	"time"
)

var errStub = errors.New("not written yet")

// A Scope is one capability, such as storage.read:/data or compute.create.
type Scope struct {
	Action string // storage.read, compute.create, …
	Path   string // absolute, in its normal form; empty for actions that have none
}

// Scopes is a list of capabilities, in their order.
type Scopes []Scope

// ErrNotCapability is wrapped by errors of scopes that are none of ours, such as openid.
var ErrNotCapability = errors.New("not a capability")

// ParseScope reads one capability and refuses (never cleans) paths that storage would misread.
func ParseScope(text string) (Scope, error) { return Scope{}, errStub }

// ParseScopes reads capabilities with blanks between them.
func ParseScopes(text string) (Scopes, error) { return nil, errStub }

// SplitScopes tells capabilities from the other scopes of a list, keeping their order.
func SplitScopes(list []string) (capabilities Scopes, others []string, err error) {
	return nil, nil, errStub
}

// String is the scope as tokens hold it.
func (s Scope) String() string { return "" }

// Covers tells whether who has s may do what other allows, comparing paths by segments.
func (s Scope) Covers(other Scope) bool { return false }

// Strings are the scopes as tokens hold them.
func (s Scopes) Strings() []string { return nil }

// String is the scopes with a blank between them.
func (s Scopes) String() string { return "" }

// Allows tells whether one of the scopes covers the wanted one.
func (s Scopes) Allows(wanted Scope) bool { return false }

// Cover is those of the wanted scopes that s allows.
func (s Scopes) Cover(wanted Scopes) Scopes { return nil }

// Confusable finds pairs of paths of which one begins with the other's text without being in it.
func Confusable(paths []string) [][2]string { return nil }

// ErrNotMember is wrapped by errors of groups asked for by somebody who is no member.
var ErrNotMember = errors.New("not a member")

// A Group is a group of a VO, such as /cms/uscms.
type Group string

// ParseGroup reads the name of a group.
func ParseGroup(text string) (Group, error) { return "", errStub }

// GroupsFor is the claim wlcg.groups for the scopes of a request.
func GroupsFor(request, memberships, defaults []string) ([]string, error) { return nil, errStub }

// CapabilitySet is the group whose capabilities a request asks for, empty if for none.
func CapabilitySet(request []string) (Group, error) { return "", errStub }

// An Actor is who acts for the subject (RFC 8693, section 4.1).
type Actor struct {
	Issuer, Subject, ClientID string
	Actor                     *Actor
}

// A Header is what a token says of its signature.
type Header struct {
	Algorithm, KeyID, Type string
}

// Claims are what a token says.
type Claims struct {
	Header                         Header // of a token that was read; Mint makes its own
	Issuer, Subject, ID            string
	Audience                       []string
	IssuedAt, NotBefore, ExpiresAt time.Time
	Scope                          []string
	Groups                         []string
	ClientID                       string
	Version                        string // wlcg.ver or ver of a token that was read; Mint writes its own
	Actor                          *Actor
	AuthTime                       time.Time
	ACR                            string
	Extra                          map[string]any
}

// A Key signs tokens.
type Key struct {
	ID        string
	Algorithm string // ES256, RS256, ES384 or ES512
	Signer    crypto.Signer
}

// Public is the key as others verify with it.
func (k Key) Public() PublicKey { return PublicKey{} }

// Sign makes a compact JWS of a payload that is a JSON object.
func Sign(k Key, typ string, payload any) (string, error) { return "", errStub }

// Open verifies a compact JWS and returns its payload, a JSON object without double members.
func Open(token string, keys KeySet, algorithms ...string) (Header, []byte, error) {
	return Header{}, nil, errStub
}

// Mint signs the claims as a token of a profile.
func (c Claims) Mint(k Key, p Profile) (string, error) { return "", errStub }

// Profile is the profile that the claims of a token are of.
func (c Claims) Profile() Profile { return 0 }

// A PublicKey verifies tokens.
type PublicKey struct {
	ID        string
	Algorithm string // empty: all that fit the key
	Key       crypto.PublicKey
}

// A KeySet is a JWK set (RFC 7517).
type KeySet struct{ Keys []PublicKey }

// ParseKeySet reads a JWK set, passing over keys that sign no tokens.
func ParseKeySet(text []byte) (KeySet, error) { return KeySet{}, errStub }

// MarshalJSON writes the set as RFC 7517 says.
func (s KeySet) MarshalJSON() ([]byte, error) { return nil, errStub }

// Fixed is a source of keys for a Verifier that always yields the same ones.
func (s KeySet) Fixed() func(context.Context, string) (KeySet, error) {
	return func(context.Context, string) (KeySet, error) { return s, nil }
}

// A Verifier judges access tokens of one issuer.
type Verifier struct {
	Issuer      string
	Audiences   []string // of which the token must name one; AnyAudience must be listed to count
	AllAudience bool     // do not judge the audience: for the issuer itself
	Profiles    []Profile
	Keys        func(ctx context.Context, kid string) (KeySet, error)
	Algorithms  []string // default ES256, RS256
	Skew        time.Duration
	Now         func() time.Time
}

// Verify returns the claims of a token that is good now, or an *Error.
func (v Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	return Claims{}, errStub
}

// A Reason says in one word why a token was refused.
type Reason string

// An Error is a token's refusal.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return "" }

// Inspect reads a token without verifying it.
func Inspect(token string) (Claims, error) { return Claims{}, errStub }

// A Finding is a rule that a token breaks.
type Finding struct {
	Where string // which storage refuses or misreads it
	What  string
}

// An Expectation is what a token is held against; what is empty is not asked.
type Expectation struct {
	Now              time.Time
	Issuer, Audience string
}

// Explain lists what storage would refuse or misread in a token.
func Explain(token string, e Expectation) []Finding { return nil }

// ErrNoToken is returned when no place holds a token.
var ErrNoToken = errors.New("no bearer token found")

// Discover finds the caller's token as the WLCG Bearer Token Discovery says, and where it was.
func Discover(getenv func(string) string, uid int) (token, source string, err error) {
	return "", "", errStub
}

// BearerPath is the file that Discover would read for a user.
func BearerPath(getenv func(string) string, uid int) string { return "" }

// WriteBearer puts a token where others find it: complete or not at all, readable by its owner.
func WriteBearer(path, token string) error { return errStub }
