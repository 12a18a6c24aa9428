// Package grant has the words of custody: what is configured of a provider, what somebody approved
// there, the family of tokens that came of it, in which of five states that stands, and what a
// provider refused. It does no I/O. It imports material, wlcg, fault and credential only.
package grant

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Kind is the kind of credential that a grant is.
const Kind = "grant"

// How much a Spec or a Wish can say.
const (
	maxSpec    = 64 << 10 // bytes of JSON
	maxScopes  = 100      // of a list; audiences likewise
	maxScope   = 1100     // bytes: a long path in it
	maxForText = 200      // characters
)

// Spec is what a grant is for: the Spec of its credential, as JSON.
type Spec struct {
	// Provider is the ID of one that is configured.
	Provider string `json:"provider"`
	// Scopes are the most that its tokens may have. Those that were granted, once it is approved.
	Scopes []string `json:"scopes"`
	// Audiences are those that its tokens may be for. None means that the approval was not bound to
	// any: then the provider alone judges an audience that somebody wishes.
	Audiences []string `json:"audiences,omitempty"`
	// Narrowed says that scopes were taken away since, of which the provider does not know.
	Narrowed bool `json:"narrowed,omitempty"`
	// For says who uses it: "this laptop", "HTCondor at punch-login".
	For string `json:"for,omitempty"`
}

// ParseSpec decodes a Spec strictly. What is wrong with it is an Invalid fault.
func ParseSpec(text json.RawMessage) (Spec, error) {
	var s Spec
	if len(text) > maxSpec {
		return s, fault.New(fault.Invalid, "a grant is described in at most %d bytes", maxSpec)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&s)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return Spec{}, fault.New(fault.Invalid, "this does not describe a grant: %.200v", err).WithHint(`for example {"provider": "helmholtz", "scopes": ["openid", "offline_access"]}`)
	}
	return s, s.check()
}

func (s Spec) check() error {
	if !providerID.MatchString(s.Provider) {
		return fault.New(fault.Invalid, "%.60q cannot be a provider", s.Provider).WithHint("lanyard token list shows the providers there are")
	}
	if err := (Wish{s.Scopes, s.Audiences}).check(); err != nil {
		return err
	}
	if s.For != "" && (len([]rune(s.For)) > maxForText || Clean(s.For, maxForText) != s.For) {
		return fault.New(fault.Invalid, "what a grant is for is said in at most %d printable characters", maxForText)
	}
	return nil
}

// Encode returns s as ParseSpec reads it.
func (s Spec) Encode() json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil { // a struct of strings can be encoded
		return nil
	}
	return text
}

// Wish is how a token shall be. What is empty is as the grant says.
type Wish struct {
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
}

// Key names tokens that answer the same wish, whatever its order: "" for the empty wish, else 43
// letters, digits, dashes and underscores.
func (w Wish) Key() string {
	if len(w.Scopes) == 0 && len(w.Audiences) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(sorted(w.Scopes), " ") + "\n" + strings.Join(sorted(w.Audiences), " ")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// check refuses with an Invalid fault what no provider could be asked for.
func (w Wish) check() error {
	if len(w.Scopes) > maxScopes || len(w.Audiences) > maxScopes {
		return fault.New(fault.Invalid, "at most %d scopes and %d audiences can be asked for", maxScopes, maxScopes)
	}
	for _, s := range w.Scopes {
		if !token(s) {
			return fault.New(fault.Invalid, "%.100q cannot be a scope", s).WithHint("a scope is printable ASCII without blanks, quotes and backslashes, such as storage.read:/data")
		}
	}
	for _, a := range w.Audiences {
		if !token(a) {
			return fault.New(fault.Invalid, "%.100q cannot be an audience", a).WithHint("an audience is printable ASCII without blanks, such as https://se.example.org")
		}
	}
	return nil
}

// token reports whether s is a scope-token of RFC 6749 §3.3 that we are ready to keep.
func token(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// Narrow returns w with what it leaves open filled in from the grant. What goes beyond the grant is
// a Denied fault: it is never cut off silently.
func (s Spec) Narrow(w Wish) (Wish, error) {
	if err := w.check(); err != nil {
		return Wish{}, err
	}
	for _, scope := range w.Scopes {
		if !s.Covers(scope) {
			return Wish{}, s.beyond("the scope", scope, s.Scopes)
		}
	}
	for _, audience := range w.Audiences {
		if len(s.Audiences) > 0 && !slices.Contains(s.Audiences, audience) {
			return Wish{}, s.beyond("the audience", audience, s.Audiences)
		}
	}
	narrow := Wish{Scopes: sorted(w.Scopes), Audiences: sorted(w.Audiences)}
	if len(w.Scopes) == 0 {
		narrow.Scopes = slices.Clone(s.Scopes)
	}
	if len(w.Audiences) == 0 {
		narrow.Audiences = slices.Clone(s.Audiences)
	}
	return narrow, nil
}

// Covers reports whether the grant has the wanted scope, or a capability of a path above it.
func (s Spec) Covers(wanted string) bool {
	if slices.Contains(s.Scopes, wanted) {
		return true
	}
	want, err := wlcg.ParseScope(wanted)
	return err == nil && slices.ContainsFunc(s.Scopes, func(granted string) bool {
		have, err := wlcg.ParseScope(granted)
		return err == nil && have.Covers(want)
	})
}

func (s Spec) beyond(what, wanted string, granted []string) error {
	return fault.New(fault.Denied, "%s %s was not granted at %s", what, wanted, s.Provider).
		WithHint("granted are: %s; approve again to have more", Clean(strings.Join(granted, " "), 300))
}
