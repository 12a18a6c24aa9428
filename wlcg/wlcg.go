// Package wlcg makes, signs, verifies and finds the bearer tokens of research computing: the WLCG
// Common JWT Profiles, SciTokens 2.0 and RFC 9068 access tokens, all of them compact JWS
// (RFC 7515) with RSA or ECDSA signatures.
//
// It imports the standard library and golang.org/x/crypto only, opens no connections, keeps no
// state and starts no goroutines. What it is given by strangers it reads in bounded time and
// memory.
package wlcg

// A Profile is a convention of what a token's claims are called and mean.
type Profile int

const (
	// WLCG is the WLCG Common JWT Profile, claim wlcg.ver "1.0".
	WLCG Profile = iota
	// SciTokens is SciTokens 2.0, claim ver "scitoken:2.0".
	SciTokens
	// RFC9068 is the JWT profile for OAuth 2.0 access tokens, header typ "at+jwt" and no version.
	RFC9068
)

// Audiences that stand for every service, each in its own profile.
const (
	AnyAudience          = "https://wlcg.cern.ch/jwt/v1/any"
	AnyAudienceSciTokens = "ANY"
)

// Scopes of requests that are no capabilities. The first two may be followed by a colon and a group.
const (
	ScopeGroups        = "wlcg.groups"
	ScopeCapabilitySet = "wlcg.capabilityset"
)

// Types of tokens, as the header's typ says them.
const (
	TypeAccess = "at+jwt" // RFC 9068
	TypeJWT    = "JWT"    // says nothing
)

// MaxToken is the size in bytes of the largest token that is read.
const MaxToken = 16 << 10
