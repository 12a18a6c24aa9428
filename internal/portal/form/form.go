// Package form reads what people fill in and offers what they may choose. It imports rows 0 to 2.
package form

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/material"
)

// A Preset is one answer to "how long?".
type Preset struct {
	Value, Text string
	Ends        time.Time
}

// A Key is what the person filled in; it is shown again when something is wrong.
type Key struct {
	Name, Life, Until, Mode string
	Grants                  [3]s3key.Grant
	Once                    string // makes a double submit one key
}

// Values of Life beside durations.
const (
	UntilDay        = "until"
	UntilProjectEnd = "end"
)

// KeyOf reads a form, or an address that fills one in: after signing in again, or as a link in
// somebody's guide.
func KeyOf(q url.Values) Key {
	f := Key{Name: q.Get("name"), Life: q.Get("life"), Until: q.Get("until"), Mode: q.Get("mode"), Once: q.Get("once")}
	if f.Mode == "" {
		f.Mode = string(s3key.ReadWrite)
	}
	for i := range f.Grants {
		n := strconv.Itoa(i + 1)
		f.Grants[i] = s3key.Grant{Bucket: strings.TrimSpace(q.Get("bucket" + n)), Prefix: q.Get("prefix" + n),
			Read: q.Get("read"+n) != "", Write: q.Get("write"+n) != "", Delete: q.Get("delete"+n) != ""}
	}
	return f
}

// Presets are the lives to choose from: round ones that are allowed, the rule's own, and the time
// that the project has left if that is less; it has no end if that is zero.
func Presets(rule credential.Lifetime, ends, now time.Time) []Preset {
	const day = 24 * time.Hour
	lives := []time.Duration{time.Hour, 8 * time.Hour, day, 7 * day, 30 * day}
	cut := !ends.IsZero() && !ends.After(now.Add(rule.Max+time.Second))
	if !cut {
		lives = append(lives, rule.Default, rule.Max)
	}
	slices.Sort(lives)
	var out []Preset
	for _, life := range slices.Compact(lives) {
		if life <= rule.Max {
			out = append(out, Preset{life.String(), credential.Words(life), now.Add(life)})
		}
	}
	if cut {
		out = append(out, Preset{UntilProjectEnd, "as long as the project", ends})
	}
	return out
}

// Usual is the last preset that ends no later than the default would; else the shortest.
func Usual(ps []Preset, end time.Time) string {
	best := ps[0].Value
	for _, p := range ps {
		if !p.Ends.After(end.Add(time.Second)) {
			best = p.Value
		}
	}
	return best
}

// A Choice is the question "how long?" with its answers, one of which may be chosen.
type Choice struct {
	Presets     []Preset
	Life, Until string // what is chosen
	Latest      time.Time
	Max         time.Duration
	Fixed       bool // what is chosen stays: there is no extending
}

// Ask offers what a rule allows in something that ends at ends, never if that is zero. Without a
// chosen life the usual one is.
func Ask(rule credential.Lifetime, ends, now time.Time, life, until string) Choice {
	c := Choice{Presets: Presets(rule, ends, now), Life: life, Until: until, Latest: now.Add(rule.Max), Max: rule.Max}
	if c.Life == "" {
		c.Life = Usual(c.Presets, now.Add(rule.Default))
	}
	return c
}

// Chosen sets in an order how long somebody chose: a life, or until the end of a day, or as long as
// the project, which ends at ends. Latest is the end that the rule allows.
func Chosen(o *credential.Order, life, until string, now, ends, latest time.Time) (err error) {
	switch life {
	case UntilProjectEnd:
		o.Until = ends
		return nil
	case UntilDay:
		day, err := time.Parse(time.DateOnly, strings.TrimSpace(until))
		if err != nil {
			return fault.New(fault.Invalid, "%.20q is not a date", until).WithHint("write it like %s", now.Add(24*time.Hour).UTC().Format(time.DateOnly))
		}
		// A day means all of it, but the last day that is allowed ends when the rule says.
		o.Until = day.Add(24*time.Hour - time.Second)
		if latest.After(day) && latest.Before(o.Until) {
			o.Until = latest
		}
		return nil
	}
	if o.Life, err = time.ParseDuration(life); err != nil || o.Life <= 0 {
		return fault.New(fault.Invalid, "choose how long the %s shall live", credential.Noun(o.Kind))
	}
	return nil
}

// Rights are what the form says that the key may do. What contradicts itself is refused, because
// the person may have meant less than they would get.
func (f Key) Rights() (s3key.Rights, error) {
	r := s3key.Rights{Mode: s3key.Mode(f.Mode)}
	for _, g := range f.Grants {
		switch {
		case g.Bucket != "":
			r.Grants = append(r.Grants, g)
		case g.Prefix != "":
			return r, fault.New(fault.Invalid, "%.40q stands in a row without a bucket", g.Prefix).WithHint("name the bucket in the same row")
		}
	}
	switch {
	case r.Mode == s3key.Custom && len(r.Grants) == 0:
		return r, fault.New(fault.Invalid, "no bucket is named").WithHint("name at least one, or let the key use everything")
	case r.Mode != s3key.Custom && len(r.Grants) > 0:
		return r, fault.New(fault.Invalid, "buckets are named, but the key would reach everything in the project").WithHint("choose “only these buckets”, or empty the rows")
	}
	return r, nil
}

// VOMS reads attributes as people write them: in each line a VO, or VO:FQAN.
func VOMS(text string) ([]material.VO, error) {
	var vos []material.VO
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' }) {
		name, fqan, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "" && fqan == "" {
			continue
		}
		if strings.HasPrefix(name, "/") {
			return nil, fault.New(fault.Invalid, "%.80q does not begin with a VO", line).WithHint("write the VO before it, as in cms:/cms/Role=production")
		}
		i := slices.IndexFunc(vos, func(v material.VO) bool { return v.Name == name })
		if i < 0 {
			i, vos = len(vos), append(vos, material.VO{Name: name})
		}
		if fqan != "" {
			vos[i].FQANs = append(vos[i].FQANs, fqan)
		}
	}
	return vos, nil
}

// Promise has a form that is sent twice order once: key is what the page put into it, empty for a
// form that may be repeated, and posted is all of it.
func Promise(key string, posted url.Values) audit.Once {
	if key == "" {
		return audit.Once{}
	}
	sum := sha256.Sum256([]byte(posted.Encode()))
	return audit.Once{Key: "form " + key, Fingerprint: hex.EncodeToString(sum[:])}
}
