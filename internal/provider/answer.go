package provider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

const (
	maxToken  = 64 << 10             // bytes of one token
	maxLife   = 10 * 365 * 24 * 3600 // seconds that we believe
	shortLife = 5 * time.Minute      // of an access token whose provider does not say how long it lives
)

// tokenAnswer is what a token endpoint sends (RFC 6749 §5.1), with the names that providers give to
// the life of a refresh token.
type tokenAnswer struct {
	Access      string  `json:"access_token"`
	Type        string  `json:"token_type"`
	Expires     seconds `json:"expires_in"`
	Refresh     string  `json:"refresh_token"`
	Scope       string  `json:"scope"`
	IDToken     string  `json:"id_token"`
	RefreshIn   seconds `json:"refresh_expires_in"`       // Keycloak; 0: it has no end
	RefreshLife seconds `json:"refresh_token_expires_in"` // others
}

// seconds is a time span that some providers send as text, or with a fraction.
type seconds int64

// UnmarshalJSON implements json.Unmarshaler. What is no positive number is 0: not said.
func (s *seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		f = 0
	}
	*s = seconds(min(f, maxLife))
	return nil
}

func (s seconds) after(t time.Time) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return t.Add(time.Duration(s) * time.Second).UTC().Truncate(time.Second)
}

// read makes tokens of an answer with status 200 that came at now, to a request for w that carried
// the refresh token sent, or none.
func (a tokenAnswer) read(now time.Time, w grant.Wish, sent material.Secret) (grant.Tokens, error) {
	switch {
	case a.Access == "" || len(a.Access) > maxToken || !printable(a.Access):
		return grant.Tokens{}, errors.New("there is no access token in the answer")
	case len(a.Refresh) > maxToken || !printable(a.Refresh):
		return grant.Tokens{}, errors.New("the refresh token in the answer cannot be one")
	case a.Type != "" && !strings.EqualFold(a.Type, "Bearer"):
		return grant.Tokens{}, errors.New("the access token is of type " + strconv.Quote(grant.Clean(a.Type, 20)))
	}
	claims := peek(a.Access)
	t := grant.Tokens{Access: material.Secret(a.Access), Refresh: material.Secret(a.Refresh),
		AccessExpiresAt: a.Expires.after(now), RefreshExpiresAt: max(a.RefreshIn, a.RefreshLife).after(now),
		Scopes: fields(a.Scope), Audiences: claims.audiences()}
	if a.Scope == "" { // as asked for (RFC 6749 §5.1)
		t.Scopes = slices.Clone(w.Scopes)
	}
	if t.Audiences == nil {
		t.Audiences = slices.Clone(w.Audiences)
	}
	if t.AccessExpiresAt.IsZero() {
		t.AccessExpiresAt = claims.Expires.after(time.Unix(0, 0))
	}
	if t.AccessExpiresAt.IsZero() {
		t.AccessExpiresAt = now.Add(shortLife).UTC().Truncate(time.Second)
	}
	if t.Refresh == sent { // not a new one
		t.Refresh = ""
	}
	return t, nil
}

// printable reports whether s can be a token: it is sent in headers.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// fields splits a list of scopes, and drops those that cannot be one.
func fields(s string) []string {
	var list []string
	for _, f := range strings.Fields(s) {
		if printable(f) && len(list) < 1000 {
			list = append(list, f)
		}
	}
	return list
}

// claims are those of a token that is a JWT. They are read and not verified: the token came from
// its issuer.
type claims struct {
	Audience any   `json:"aud"`
	Expires  epoch `json:"exp"`
	// Person is in mytokens who approved, as the provider behind the server names them.
	Person any `json:"oidc_sub"`
}

// epoch is a moment in seconds; what is no such number is 0.
type epoch int64

// UnmarshalJSON implements json.Unmarshaler.
func (e *epoch) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err == nil && n > 0 && n < 1<<40 {
		*e = epoch(n)
	}
	return nil
}

func (e epoch) after(t time.Time) time.Time {
	if e == 0 {
		return time.Time{}
	}
	return t.Add(time.Duration(e) * time.Second).UTC()
}

func peek(token string) claims {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return claims{}
	}
	return c
}

func (c claims) audiences() []string {
	var list []string
	switch a := c.Audience.(type) {
	case string:
		list = fields(a)
	case []any:
		for _, one := range a {
			if s, ok := one.(string); ok && s != "" && printable(s) && len(list) < 100 {
				list = append(list, s)
			}
		}
	}
	return list
}

func (c claims) subject() string {
	s, _ := c.Person.(string)
	if len(s) > 255 || grant.Clean(s, 255) != s {
		return ""
	}
	return s
}

// tokens reads a token endpoint's answer to a request for wish with the refresh token sent.
func (w wire) tokens(a answer, wish grant.Wish, sent material.Secret, secrets ...string) (tokenAnswer, grant.Tokens, *grant.Refusal) {
	var body tokenAnswer
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return body, grant.Tokens{}, w.refused(a, append(secrets, sent.Reveal())...)
	}
	if err := decode(a.body, &body); err != nil {
		return body, grant.Tokens{}, unread(a, err)
	}
	t, err := body.read(w.now(), wish, sent)
	if err != nil {
		return body, t, unread(a, err)
	}
	return body, t, nil
}

// decode reads an answer that has tokens in it. A member of the wrong type is taken as absent: a
// new refresh token beside it must not be lost.
func decode(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok || err == nil {
		return nil
	}
	return errors.New("its answer is not the JSON that it should be")
}

// unread is the refusal for an answer that says it is good and cannot be used. The cause holds
// nothing of it: it may have tokens in it.
func unread(a answer, why error) *grant.Refusal {
	return &grant.Refusal{Class: grant.Again, Status: a.status, Description: why.Error()}
}
