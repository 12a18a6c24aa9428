package wlcg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Verifier judges the access tokens of one issuer. It may be used concurrently.
type Verifier struct {
	// Issuer is compared with the claim iss as text.
	Issuer string
	// Audiences are the names of the service: a token must be for one of them. Tokens that are for
	// everybody count only if AnyAudience (or AnyAudienceSciTokens) is listed here.
	Audiences []string
	// EveryAudience accepts tokens whoever they are for: what an issuer does with its own.
	EveryAudience bool
	// Profiles are those accepted; empty means all.
	Profiles []Profile
	// Keys returns the issuer's keys. It is called once for each token that says to be from the
	// issuer, with the id of its key: up to 256 printable characters that a stranger chose.
	Keys func(ctx context.Context, kid string) (KeySet, error)
	// Algorithms are those accepted; empty means ES256 and RS256.
	Algorithms []string
	// Skew is how far clocks may be apart; zero for the issuer's own.
	Skew time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Verify returns the claims of an access token that is good now. Errors that the token caused are
// of type *Error; others are those of Keys, or of a Verifier that lacks a field.
//
// What is refused beyond what the standards ask for: members that are there twice, times with
// fractions, tokens without kid, sub, jti or iat, and whatever says to be another kind of token.
// Scopes are not judged: they are the reader's to compare.
func (v Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	if v.Issuer == "" || v.Keys == nil || v.Now == nil || len(v.Audiences) == 0 && !v.EveryAudience {
		return Claims{}, errors.New("a verifier needs an issuer, keys, a clock and audiences")
	}
	accepted := v.Algorithms
	if len(accepted) == 0 {
		accepted = []string{ES256, RS256}
	}
	p, err := split(token)
	if err != nil {
		return Claims{}, err
	}
	if err := p.named(accepted); err != nil {
		return Claims{}, err
	}
	c, err := p.read()
	if err != nil {
		return Claims{}, err
	}
	if c.Issuer != v.Issuer { // before its keys are asked for
		return Claims{}, refuse(WrongIssuer, "it is from %s, not from %s", quote(c.Issuer), v.Issuer)
	}
	keys, err := v.Keys(ctx, p.header.KeyID)
	if err != nil {
		return Claims{}, fmt.Errorf("keys of %s: %w", v.Issuer, err)
	}
	if err := p.verify(keys); err != nil {
		return Claims{}, err
	}
	for _, judge := range []func(Claims) error{v.kind, Claims.complete, v.audience, v.times} {
		if err := judge(c); err != nil {
			return Claims{}, err
		}
	}
	return c, nil
}

// kind accepts access tokens of the accepted profiles only.
func (v Verifier) kind(c Claims) error {
	typ := strings.TrimPrefix(strings.ToLower(c.Header.Type), "application/")
	if typ != "" && typ != strings.ToLower(TypeJWT) && typ != TypeAccess {
		return refuse(WrongKind, "its typ is %s, not that of an access token", quote(c.Header.Type))
	}
	if other := c.otherKind(); other != "" {
		return refuse(WrongKind, "its claim %s says that it is an ID token or a logout token", other)
	}
	switch p := c.Profile(); {
	case p == WLCG && !firstVersion(c.Version):
		return refuse(WrongKind, "its wlcg.ver is %s, and only 1.x is known", quote(c.Version))
	case p == SciTokens && c.Version != "scitoken:2.0" && c.Version != "scitokens:2.0":
		return refuse(WrongKind, "its ver is %s, and only scitoken:2.0 is known", quote(c.Version))
	case p == RFC9068 && typ != TypeAccess:
		return refuse(WrongKind, "nothing in it says that it is an access token: neither wlcg.ver nor ver nor typ %s", TypeAccess)
	case len(v.Profiles) > 0 && !slices.Contains(v.Profiles, p):
		return refuse(WrongKind, "its profile is not accepted here")
	}
	return nil
}

// otherKind is the claim that gives away an ID token or a logout token. An issuer may copy a nonce
// into access tokens, but those have a scope.
func (c Claims) otherKind() string {
	for _, name := range []string{"events", "nonce", "at_hash", "c_hash"} {
		if _, ok := c.Extra[name]; ok && (name == "events" || len(c.Scope) == 0) {
			return name
		}
	}
	return ""
}

// firstVersion holds of 1.0, and of the minor versions after it, which only add.
func firstVersion(version string) bool {
	minor, ok := strings.CutPrefix(version, "1.")
	return ok && minor != "" && strings.Trim(minor, "0123456789") == ""
}

// complete holds of claims that have what their profile asks for. SciTokens recommends sub and jti,
// and who audits asks for them.
func (c Claims) complete() error {
	p := c.Profile()
	for _, claim := range []struct {
		name    string
		missing bool
	}{
		{"iss", c.Issuer == ""},
		{"sub", c.Subject == ""},
		{"jti", c.ID == ""},
		{"aud", len(c.Audience) == 0},
		{"iat", c.IssuedAt.IsZero()},
		{"exp", c.ExpiresAt.IsZero()},
		{"nbf", p == SciTokens && c.NotBefore.IsZero()},
		{"scope", p == SciTokens && len(c.Scope) == 0},
		{"client_id", p == RFC9068 && c.ClientID == ""},
	} {
		if claim.missing {
			return refuse(BadClaim, "the claim %s is missing", claim.name)
		}
	}
	return nil
}

func (v Verifier) audience(c Claims) error {
	if v.EveryAudience || slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(v.Audiences, a) }) {
		return nil
	}
	return refuse(WrongAudience, "it is for %s, not for %s", quote(strings.Join(c.Audience, " ")), strings.Join(v.Audiences, " "))
}

func (v Verifier) times(c Claims) error {
	now := v.Now()
	const layout = time.RFC3339
	switch {
	case !now.Before(c.ExpiresAt.Add(v.Skew)):
		return refuse(Expired, "it expired at %s", c.ExpiresAt.Format(layout))
	case c.NotBefore.After(now.Add(v.Skew)):
		return refuse(NotYet, "it is not valid before %s", c.NotBefore.Format(layout))
	case c.IssuedAt.After(now.Add(v.Skew)):
		return refuse(NotYet, "it was issued in the future, at %s", c.IssuedAt.Format(layout))
	case !c.ExpiresAt.After(c.IssuedAt):
		return refuse(BadClaim, "it expires before it is issued")
	}
	return nil
}
