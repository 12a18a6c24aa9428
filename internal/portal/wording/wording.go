// Package wording says things as people read them: moments, states, reasons, rights, what happened. The
// pages' templates call it. It imports rows 0 to 2.
package wording

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/material"
)

// Functions are what templates call. Times are seen from now, which comes first.
func Functions() template.FuncMap {
	return template.FuncMap{
		"when":     when,
		"moment":   moment,
		"exactly":  exactly,
		"date":     func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"life":     func(d time.Duration) string { return credential.Words(round(d)) },
		"size":     size,
		"use":      use,
		"state":    stateOf,
		"rights":   rights,
		"reach":    reach,
		"short":    short,
		"scope":    scope,
		"way":      way,
		"voms":     attributes,
		"path":     path,
		"sentence": sentence,
		"count":    func(i int) int { return i + 1 },
	}
}

// moment shows a time; the script of the page puts it into the reader's zone.
func moment(t time.Time) template.HTML { return element(t, "", "Mon 2 Jan 2006, 15:04 MST") }

// exactly shows a time to the second.
func exactly(t time.Time) template.HTML {
	return element(t, " data-seconds", "Mon 2 Jan 2006, 15:04:05 MST")
}

func element(t time.Time, attribute, layout string) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s"%s>%s</time>`, t.Format(time.RFC3339), attribute, t.Format(layout))) //nolint:gosec // made of times only
}

// when shows a moment relative and absolute.
func when(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	rel := credential.Words(round(t.Sub(now).Abs()))
	switch {
	case t.Sub(now).Abs() < 2*time.Second:
		rel = "just now"
	case t.After(now):
		rel = "in " + rel
	default:
		rel += " ago"
	}
	return template.HTML(rel+` <span class="abs">(`) + moment(t) + `)</span>` //nolint:gosec // made of times only
}

// round keeps the unit that matters: days above two days, hours above two hours …
func round(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}

// size renders bytes with decimal prefixes, as disks and quotas are sold.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	text := fmt.Sprintf("%.1f", f)
	return strings.TrimSuffix(text, ".0") + " " + units[i]
}

// use renders "1.2 GB of 150 TB (0.8 %)".
func use(used, quota int64) string {
	if quota == 0 {
		return size(used) + ", no limit"
	}
	return fmt.Sprintf("%s of %s (%.1f %%)", size(used), size(quota), 100*float64(used)/float64(quota))
}

// state is a word, and a class and a sign that show it too.
type state struct{ Word, Class, Sign string }

func stateOf(now time.Time, c credential.Credential) state {
	switch {
	case c.Status == credential.Intended && c.Over(now) == "":
		return state{"waits for its signature", "soon", "◌"}
	case c.Status == credential.Intended:
		return state{end(credential.Abandoned), "ended", "○"}
	case c.Status == credential.Ending || c.Status == credential.Ended:
		return state{end(c.Reason), "ended", "○"}
	case !now.Before(c.ExpiresAt):
		return state{end(credential.Expired), "ended", "○"}
	case c.Status == credential.Frozen:
		return state{freeze(c.Reason), "frozen", "❄"}
	case c.EndsSoon(now):
		return state{"ends soon", "soon", "◔"}
	}
	return state{"active", "active", "●"}
}

// end and freeze say in words what a reason means for a credential.
func end(r credential.Reason) string {
	if r == credential.Expired || r == credential.Deleted {
		return string(r)
	}
	return Because("ended", r)
}

func freeze(r credential.Reason) string {
	if r == credential.FrozenByOwner {
		return "frozen"
	}
	return Because("frozen", r)
}

// Because adds to what happened why, where that needs saying.
func Because(what string, r credential.Reason) string {
	why := map[credential.Reason]string{
		credential.Stopped:        "the operator stopped it",
		credential.LeftProject:    "its owner left the project",
		credential.AccountFrozen:  "its owner is stopped",
		credential.ProjectFrozen:  "the project is stopped",
		credential.ProviderFrozen: "its owner's identity provider is stopped",
		credential.ProjectEnded:   "the project ended",
		credential.Abandoned:      "it was never finished",
		credential.Declined:       "declined at the provider",
	}[r]
	if why == "" {
		return what
	}
	return what + ": " + why
}

// rights says in words what a key may do.
func rights(r s3key.Rights) []string {
	switch r.Mode {
	case s3key.ReadWrite:
		return []string{"read and write everything in this project"}
	case s3key.ReadOnly:
		return []string{"read everything in this project"}
	}
	var parts []string
	for _, g := range r.Grants {
		var verbs []string
		for _, v := range []struct {
			may  bool
			word string
		}{{g.Read, "read"}, {g.Write, "write"}, {g.Delete, "delete"}} {
			if v.may {
				verbs = append(verbs, v.word)
			}
		}
		where := " in the bucket " + g.Bucket
		if g.Prefix != "" {
			where += " what begins with " + g.Prefix
		}
		parts = append(parts, strings.Join(verbs, ", ")+where)
	}
	return parts
}

// reach says in a word or two how far a key reaches.
func reach(r s3key.Rights) string {
	switch r.Mode {
	case s3key.ReadWrite:
		return "read, write"
	case s3key.ReadOnly:
		return "read"
	}
	return "chosen buckets"
}

// short shows enough of an access key id to tell it from others.
func short(id string) string {
	if len(id) < 12 {
		return id
	}
	return id[:4] + "…" + id[len(id)-4:]
}

func scope(s identity.Scope) string {
	return map[identity.Scope]string{
		identity.ReadKeys:      "see your S3 keys (not their secrets)",
		identity.WriteKeys:     "make, extend and end S3 keys",
		identity.ReadProxies:   "see your proxies (not their keys)",
		identity.WriteProxies:  "make, fetch, extend and end proxies",
		identity.ReadTokens:    "see your approvals (not their tokens)",
		identity.WriteTokens:   "use, make, narrow, extend and end your approvals",
		identity.ReadProjects:  "see your projects and their members",
		identity.WriteProjects: "change the members and robots of projects that you manage",
	}[s]
}

// path lets a name of a certificate, or an FQAN, be broken before its slashes.
func path(s string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(s), "/", "<wbr>/")) //nolint:gosec // escaped
}

// sentence writes a message of a fault as a sentence of its own.
func sentence(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[n:]
	if strings.TrimRight(s, ".?!") == s {
		s += "."
	}
	return s
}

// way says in words how a proxy came here.
func way(w proxy.Way) string {
	return map[proxy.Way]string{
		proxy.Upload:      "a proxy made elsewhere, uploaded with its key",
		proxy.Delegation:  "a delegation: the key was made here, the certificate's owner signs",
		proxy.Certificate: "a certificate that this server's authority signed",
		proxy.Secrets:     "a personal certificate that is stored with its key",
	}[w]
}

// attributes writes what a proxy has of VOs, one line for each.
func attributes(vos []material.VO) []string {
	var lines []string
	for _, vo := range vos {
		line := vo.Name
		if len(vo.FQANs) > 0 {
			line += ": " + strings.Join(vo.FQANs, ", ")
		}
		lines = append(lines, line)
	}
	return lines
}
