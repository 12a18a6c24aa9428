package wlcg

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/wlcg/strict"
)

// maxTime is the end of the year 9999: clocks and databases do not go further.
const maxTime = 253402300799

// maxActors is how many may have acted one for another.
const maxActors = 8

// Inspect reads a token without verifying its signature or its times. Never decide by what it
// returns; it is for showing a token to its owner, and for finding the Verifier of its issuer.
func Inspect(token string) (Claims, error) {
	p, err := split(token)
	if err != nil {
		return Claims{}, err
	}
	return p.read()
}

// read makes Claims of the payload, and refuses those of impossible forms. Which of them must be
// there is for others to say.
func (p parts) read() (Claims, error) {
	r := reader{members: p.claims}
	c := Claims{
		Header:  p.header,
		Issuer:  r.text("iss"),
		Subject: r.text("sub"), ID: r.text("jti"), ClientID: r.text("client_id"), ACR: r.text("acr"),
		Audience: r.audience(),
		IssuedAt: r.time("iat"), NotBefore: r.time("nbf"), ExpiresAt: r.time("exp"), AuthTime: r.time("auth_time"),
		Scope:   strings.Fields(r.text("scope")),
		Groups:  r.groups(),
		Version: r.version(),
		Actor:   r.actor(maxActors),
	}
	for name, raw := range p.claims {
		if slices.Contains(known, name) {
			continue
		}
		if c.Extra == nil {
			c.Extra = make(map[string]any)
		}
		c.Extra[name] = r.value(raw)
	}
	if len(c.Subject) > maxSubject {
		r.refuse("sub has more than %d characters", maxSubject)
	}
	if r.err != nil {
		return Claims{}, r.err
	}
	return c, nil
}

// A reader takes claims out of a payload and keeps the first error.
type reader struct {
	members map[string]json.RawMessage
	err     *Error
}

func (r *reader) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = refuse(BadClaim, format, args...)
	}
}

func (r *reader) text(name string) (value string) {
	raw, ok := r.members[name]
	if !ok {
		return ""
	}
	if value, ok = strict.Text(raw); !ok {
		r.refuse("%s is not a text", name)
		return ""
	}
	if !printable(value) {
		r.refuse("%s has characters that are not printable ASCII", name)
		return ""
	}
	return value
}

// time reads a NumericDate of whole seconds. RFC 7519 allows fractions, but verifiers round them
// in different ways.
func (r *reader) time(name string) time.Time {
	raw, ok := r.members[name]
	if !ok {
		return time.Time{}
	}
	seconds, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil || seconds > maxTime {
		r.refuse("%s is not a number of whole seconds since 1970", name)
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// audience reads the only claim that may be a text or a list.
func (r *reader) audience() []string {
	raw, ok := r.members["aud"]
	if !ok {
		return nil
	}
	if raw[0] == '"' {
		return slices.DeleteFunc([]string{r.text("aud")}, func(a string) bool { return a == "" })
	}
	return r.list("aud", maxAudiences)
}

func (r *reader) list(name string, limit int) []string {
	raw, ok := r.members[name]
	if !ok {
		return nil
	}
	var texts []*string // tells null from ""
	if raw[0] != '[' || json.Unmarshal(raw, &texts) != nil || slices.Contains(texts, nil) {
		r.refuse("%s is not a list of texts", name)
		return nil
	}
	if len(texts) > limit {
		r.refuse("%s has more than %d entries", name, limit)
		return nil
	}
	list := make([]string, len(texts))
	for i, text := range texts {
		if *text == "" || !printable(*text) {
			r.refuse("%s has an entry that is empty or not printable", name)
			return nil
		}
		list[i] = *text
	}
	return list
}

func (r *reader) groups() []string {
	list := r.list("wlcg.groups", maxGroups)
	for _, g := range list {
		if _, err := ParseGroup(g); err != nil {
			r.refuse("wlcg.groups: %v", err)
		}
	}
	return list
}

// version reads the claim that tells the profiles apart.
func (r *reader) version() string {
	wlcg, ver := r.text("wlcg.ver"), r.text("ver")
	if wlcg != "" && ver != "" {
		r.refuse("it has both wlcg.ver and ver")
	}
	return wlcg + ver
}

func (r *reader) actor(depth int) *Actor {
	raw, ok := r.members["act"]
	if !ok {
		return nil
	}
	inner, err := strict.Object(raw)
	if err != nil || depth == 0 {
		r.refuse("act is not an object, or more than %d actors", maxActors)
		return nil
	}
	deeper := reader{members: inner}
	a := &Actor{Issuer: deeper.text("iss"), Subject: deeper.text("sub"), ClientID: deeper.text("client_id"), Actor: deeper.actor(depth - 1)}
	if deeper.err != nil {
		r.refuse("act: %s", strings.TrimPrefix(deeper.err.Detail, "act: "))
	}
	return a
}

func (r *reader) value(raw json.RawMessage) (value any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		r.refuse("a claim cannot be read")
	}
	return value
}
