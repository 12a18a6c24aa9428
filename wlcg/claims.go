package wlcg

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/wlcg/strict"
)

// The versions that Mint writes. WLCG's is not the profile's newest: it asks for 1.0 until all
// software reads more, and storage in the field refuses any other.
const (
	versionWLCG      = "1.0"
	versionSciTokens = "scitoken:2.0"
)

const (
	maxSubject   = 255 // bytes; OpenID Connect and WLCG
	maxAudiences = 64
	backdate     = time.Minute // from issue to nbf, for clocks that are late
)

// Claims are what an access token says.
type Claims struct {
	Header   Header   // of a token that was read; Mint makes its own
	Issuer   string   // its URL, without a slash at the end
	Subject  string   // at most 255 printable ASCII characters, never given to somebody else
	ID       string   // different for each token of the issuer (jti)
	Audience []string // the services that may accept the token, as https://host[:port]
	// IssuedAt, NotBefore and ExpiresAt are in whole seconds. Mint sets a zero NotBefore to a minute
	// before IssuedAt.
	IssuedAt, NotBefore, ExpiresAt time.Time

	Scope    []string  // capabilities and other scopes, in their order
	Groups   []string  // wlcg.groups
	ClientID string    // the OAuth client that asked for the token
	Version  string    // wlcg.ver or ver of a token that was read; Mint writes that of its profile
	Actor    *Actor    // who acts for the subject, after a token exchange
	AuthTime time.Time // when the person signed in, and ACR how (OpenID Connect Core, section 2)
	ACR      string
	Extra    map[string]any // all other claims; numbers of tokens that were read are json.Number
}

// An Actor is who acts for a token's subject (RFC 8693, section 4.1).
type Actor struct {
	Issuer, Subject, ClientID string
	Actor                     *Actor // who acted before
}

// known are the claims that have a field, so that Extra may not hold them.
var known = []string{"iss", "sub", "jti", "aud", "iat", "nbf", "exp", "scope", "wlcg.groups", "client_id",
	"wlcg.ver", "ver", "act", "auth_time", "acr"}

// Profile is the profile of a token that was read, by its version.
func (c Claims) Profile() Profile {
	switch {
	case strings.HasPrefix(c.Version, "scitoken"):
		return SciTokens
	case c.Version == "":
		return RFC9068
	}
	return WLCG
}

// Mint signs the claims as an access token of a profile. It signs nothing that a Verifier would
// refuse, and nothing that storage in the field does not take: scopes that ParseScope refuses or
// that are the other profile's, an issuer with a slash at its end. With a ClientID, a WLCG token is
// an RFC 9068 access token as well, and its header says so; storage then asks for less.
func (c Claims) Mint(k Key, p Profile) (string, error) {
	payload, err := c.encode(p)
	if err != nil {
		return "", fmt.Errorf("mint a token: %w", err)
	}
	typ := TypeJWT
	if p != SciTokens && c.ClientID != "" {
		typ = TypeAccess
	}
	return Sign(k, typ, payload)
}

// encode writes the claims, and reads them again as others will.
func (c Claims) encode(p Profile) (json.RawMessage, error) {
	switch {
	case strings.HasSuffix(c.Issuer, "/"):
		return nil, errors.New("the issuer ends with a slash; storage compares it as text")
	case !c.ExpiresAt.After(c.IssuedAt):
		return nil, errors.New("a token must expire after it is issued")
	case p != WLCG && len(c.Groups) > 0:
		return nil, errors.New("groups are for the WLCG profile")
	}
	for _, name := range known {
		if _, ok := c.Extra[name]; ok {
			return nil, fmt.Errorf("the extra claim %s has a field of its own", name)
		}
	}
	if err := c.checkScopes(p); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c.payload(p))
	if err != nil {
		return nil, err
	}
	members, err := strict.Object(text)
	if err != nil {
		return nil, err
	}
	again, err := parts{claims: members}.read()
	if err == nil {
		err = again.complete()
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		return nil, errors.New(refused.Detail)
	}
	return text, err
}

func (c Claims) checkScopes(p Profile) error {
	for _, text := range c.Scope {
		name, _, _ := strings.Cut(text, ":")
		_, err := ParseScope(text)
		switch {
		case !scopeToken(text):
			return fmt.Errorf("the scope %s is empty, or has characters that no scope has", quote(text))
		case errors.Is(err, ErrNotCapability):
		case p == RFC9068 && actions[name].profile == SciTokens:
			// There, read or write:/x may mean anything.
		case err != nil:
			return err
		case p != RFC9068 && actions[name].profile != p:
			return fmt.Errorf("the scope %s belongs to another profile", quote(text))
		}
	}
	return nil
}

// scopeToken holds of what may stand between the blanks of a scope (RFC 6749, section 3.3).
func scopeToken(text string) bool {
	return text != "" && printable(text) && !strings.ContainsAny(text, ` "\`)
}

// printable holds of printable ASCII.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// payload is the claims as the profile writes them.
func (c Claims) payload(p Profile) map[string]any {
	notBefore := c.NotBefore
	if notBefore.IsZero() {
		notBefore = c.IssuedAt.Add(-backdate)
	}
	m := make(map[string]any, len(known)+len(c.Extra))
	maps.Copy(m, c.Extra)
	m["iss"], m["sub"], m["jti"] = c.Issuer, c.Subject, c.ID
	m["iat"], m["nbf"], m["exp"] = c.IssuedAt.Unix(), notBefore.Unix(), c.ExpiresAt.Unix()
	m["aud"] = c.Audience
	if len(c.Audience) == 1 { // not everybody reads a list of one
		m["aud"] = c.Audience[0]
	}
	switch p {
	case WLCG:
		m["wlcg.ver"] = versionWLCG
	case SciTokens:
		m["ver"] = versionSciTokens
	}
	if len(c.Scope) > 0 {
		m["scope"] = strings.Join(c.Scope, " ")
	}
	if len(c.Groups) > 0 {
		m["wlcg.groups"] = c.Groups
	}
	if !c.AuthTime.IsZero() {
		m["auth_time"] = c.AuthTime.Unix()
	}
	if c.Actor != nil {
		m["act"] = c.Actor.payload(maxActors)
	}
	return put(m, map[string]string{"client_id": c.ClientID, "acr": c.ACR})
}

func (a *Actor) payload(before int) map[string]any {
	m := map[string]any{}
	if a.Actor != nil && before > 0 { // one more than is read, and no end of those who go round in circles
		m["act"] = a.Actor.payload(before - 1)
	}
	return put(m, map[string]string{"iss": a.Issuer, "sub": a.Subject, "client_id": a.ClientID})
}

// put adds the texts that are not empty.
func put(m map[string]any, texts map[string]string) map[string]any {
	for name, text := range texts {
		if text != "" {
			m[name] = text
		}
	}
	return m
}
