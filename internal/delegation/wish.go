package delegation

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ParseWish reads a creating request of mytoken's API (its fields oidc_issuer, restrictions,
// capabilities, name, response_type, max_token_len, rotation, application_name, include and
// error_on_restrictions; others are passed over). Times relative to now ("+7d") are resolved. What
// is wrong is an *Error.
func ParseWish(text []byte, now time.Time) (Wish, error) {
	var in struct {
		Issuer       string       `json:"oidc_issuer"`
		Restrictions []wireClause `json:"restrictions"`
		Capabilities words        `json:"capabilities"`
		Name         string       `json:"name"`
		Form         string       `json:"response_type"`
		MaxLen       int          `json:"max_token_len"`
		Rotation     *Rotation    `json:"rotation"`
		Application  string       `json:"application_name"`
		Include      names        `json:"include"`
		Strict       bool         `json:"error_on_restrictions"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return Wish{}, explain(err)
	}
	w := Wish{Issuer: in.Issuer, Name: in.Name, Application: in.Application, Capabilities: Capabilities(in.Capabilities),
		Rotation: in.Rotation, MaxLen: max(in.MaxLen, 0), Include: in.Include, Strict: in.Strict}
	switch f := Form(in.Form); f {
	case FormShort, FormTransfer:
		w.Form = f
	default:
		w.Form = FormToken // whatever else somebody asks for, as the protocol has it
	}
	for _, c := range in.Restrictions {
		w.Clauses = append(w.Clauses, c.at(now))
	}
	return w, w.check()
}

// explain turns what a decoder says into a refusal.
func explain(err error) error {
	if e, ok := errors.AsType[*Error](err); ok { // of an UnmarshalJSON of ours
		return e
	}
	return Invalid("%.300s", err)
}

// check refuses what is too much, or would disturb who reads it.
func (w Wish) check() error {
	switch {
	case len(w.Clauses) > MaxClauses:
		return Invalid("at most %d restrictions can be given", MaxClauses)
	case len(w.Capabilities) > MaxListed || len(w.Include) > MaxListed:
		return Invalid("at most %d capabilities and includes can be given", MaxListed)
	}
	for _, s := range append([]string{w.Issuer, w.Name, w.Application}, append(w.Capabilities, w.Include...)...) {
		if err := checkText(s); err != nil {
			return err
		}
	}
	for _, c := range w.Clauses {
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

func checkText(s string) error {
	if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return Invalid("texts have at most %d bytes and no control characters", maxText)
	}
	return nil
}

// MarshalJSON writes a rotation as tokens and replies hold it.
func (r Rotation) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireRotation{r.OnAT, r.OnOther, int64(r.Lifetime / time.Second), r.AutoRevoke, nil})
}

// UnmarshalJSON reads a rotation.
func (r *Rotation) UnmarshalJSON(text []byte) error {
	var in wireRotation
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if in.Lifetime < 0 || in.Lifetime > int64(maxLifetime/time.Second) {
		return Invalid("a rotation's lifetime is from 0 to %d seconds", int64(maxLifetime/time.Second))
	}
	*r = Rotation{OnAT: in.OnAT, OnOther: in.OnOther, AutoRevoke: in.AutoRevoke, Lifetime: time.Duration(in.Lifetime) * time.Second, Include: in.Include}
	return nil
}

const maxLifetime = 10 * 365 * 24 * time.Hour

type wireRotation struct {
	OnAT       bool  `json:"on_AT,omitempty"`
	OnOther    bool  `json:"on_other,omitempty"`
	Lifetime   int64 `json:"lifetime,omitempty"`
	AutoRevoke bool  `json:"auto_revoke,omitempty"`
	Include    names `json:"include,omitempty"`
}

// names is a list of strings, or one string.
type names []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *names) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err == nil {
		*n = list
		return nil
	}
	var one string
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	if *n = nil; one != "" {
		*n = names{one}
	}
	return nil
}

// words is a list of strings, or one string with blanks between them.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(text []byte) error {
	var n names
	if err := n.UnmarshalJSON(text); err != nil {
		return err
	}
	*w = nil
	for _, s := range n {
		*w = append(*w, strings.Fields(s)...)
	}
	return nil
}

// A moment is a time of a request: absolute, or after the time at which the request is read.
type moment struct {
	after bool
	at    time.Time
	span  time.Duration
}

// in resolves m.
func (m moment) in(now time.Time) time.Time {
	if m.after {
		return now.Add(m.span).UTC().Truncate(time.Second)
	}
	return m.at
}

// latest is the last second that a time of ours can be: the end of the year 9999.
const latest = 253402300799

// UnmarshalJSON reads Unix seconds, "+7d" (s, m, h, d, w, y), "2006-01-02 15:04" in UTC.
func (m *moment) UnmarshalJSON(text []byte) error {
	if *m = (moment{}); string(text) == "null" {
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(text, &n); err == nil { // a number, or a string that holds one
		seconds, err := n.Int64()
		if err != nil || seconds < 0 || seconds > latest {
			return Invalid("%.40s is not a time", n)
		}
		if seconds > 0 {
			m.at = time.Unix(seconds, 0).UTC()
		}
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if span, ok := after(s); ok {
		*m = moment{after: true, span: span}
		return nil
	}
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil || at.Unix() <= 0 {
		return Invalid("%.40q is not a time", s)
	}
	*m = moment{at: at}
	return nil
}

// after reads "+7d".
func after(s string) (time.Duration, bool) {
	text, ok := strings.CutPrefix(s, "+")
	if !ok || text == "" {
		return 0, false
	}
	unit, ok := units()[text[len(text)-1]]
	count, err := strconv.Atoi(text[:len(text)-1])
	if !ok || err != nil || count < 0 || text[0] == '+' || time.Duration(count) > maxLifetime/unit {
		return 0, false
	}
	return time.Duration(count) * unit, true
}

func units() map[byte]time.Duration {
	const day = 24 * time.Hour
	return map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'y': 365 * day}
}
