// Package storage knows what deployed storage makes of tokens: what it refuses, and what it misreads.
// It imports wlcg and the standard library only.
package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/wlcg"
)

// A Finding is a rule of deployed storage that a token breaks.
type Finding struct {
	Where string // which storage: "all", or some by name and version
	What  string // what it does then, and why
}

// String is the finding in one line.
func (f Finding) String() string { return f.Where + ": " + f.What }

// An Expectation is what a token is held against. What is empty is not asked.
type Expectation struct {
	Now      time.Time
	Issuer   string // as the storage's configuration names it
	Audience string // one that the storage answers to
}

// What findings are about.
const (
	everywhere = "all"
	xrootd     = "XRootD"
	olderXrd   = "XRootD before 5.6.9"
	storm      = "StoRM WebDAV"
	dcache     = "dCache"
)

// Explain lists what storage would refuse or misread in a token, because storage itself answers
// "permission denied" only. It needs no keys, and verifies no signature. The rules are those seen
// in XRootD 5.5 with libscitokens 0.7, and those of dCache and StoRM WebDAV by their sources.
func Explain(token string, e Expectation) []Finding {
	c, err := wlcg.Inspect(token)
	if err != nil {
		why := err.Error()
		if refused, ok := errors.AsType[*wlcg.Error](err); ok {
			why = refused.Detail
		}
		return []Finding{{everywhere, "storage cannot be expected to read the token: " + why}}
	}
	var x explainer
	x.header(c)
	x.required(c)
	x.expected(c, e)
	x.version(c)
	x.scopes(c.Scope)
	return x.found
}

// An explainer collects findings.
type explainer struct {
	found []Finding
}

func (x *explainer) add(where, format string, args ...any) {
	if f := (Finding{where, fmt.Sprintf(format, args...)}); !slices.Contains(x.found, f) {
		x.found = append(x.found, f)
	}
}

func (x *explainer) header(c wlcg.Claims) {
	if h := c.Header; h.Algorithm != wlcg.ES256 && h.Algorithm != wlcg.RS256 {
		x.add(everywhere, "refused: the algorithm is %+q; storage knows ES256 and RS256", h.Algorithm)
	}
	if c.Header.KeyID == "" {
		x.add(everywhere, "refused unless the issuer publishes one key only: the token does not name its key (kid)")
	}
}

// required looks at what must be there.
func (x *explainer) required(c wlcg.Claims) {
	for _, claim := range []struct {
		name, where string
		missing     bool
	}{
		{"iss", everywhere, c.Issuer == ""},
		{"sub", everywhere, c.Subject == ""},
		{"aud", everywhere, len(c.Audience) == 0},
		{"exp", everywhere, c.ExpiresAt.IsZero()},
		{"iat", xrootd, c.IssuedAt.IsZero()},
		{"jti", storm, c.ID == ""},
		{"nbf", storm, c.NotBefore.IsZero()},
	} {
		if claim.missing {
			x.add(claim.where, "refused: %s is missing", claim.name)
		}
	}
	if c.NotBefore.IsZero() && c.Header.Type != wlcg.TypeAccess {
		x.add(xrootd, "refused: nbf is missing, and typ is not %s", wlcg.TypeAccess)
	}
	if len(c.Scope) == 0 {
		x.add(xrootd+" and "+storm, "refused: scope is missing, and groups alone give nothing there")
	}
}

// expected compares with what the storage is configured for.
func (x *explainer) expected(c wlcg.Claims, e Expectation) {
	if strings.HasSuffix(c.Issuer, "/") {
		x.add(everywhere, "refused where the issuer is configured without the slash at its end: issuers are compared as texts")
	}
	if !strings.HasPrefix(c.Issuer, "https://") {
		x.add(everywhere, "refused: keys are fetched by https only, and the issuer is %+q", c.Issuer)
	}
	if e.Issuer != "" && c.Issuer != e.Issuer {
		x.add(everywhere, "refused: the issuer is %+q, expected is %s", c.Issuer, e.Issuer)
	}
	for _, audience := range c.Audience {
		if strings.HasSuffix(audience, "/") {
			x.add(everywhere, "refused where the audience %+q is configured without the slash at its end: audiences are compared as texts", audience)
		}
	}
	if e.Audience != "" && !slices.ContainsFunc(c.Audience, func(a string) bool {
		return a == e.Audience || a == wlcg.AnyAudience && c.Profile() == wlcg.WLCG || a == wlcg.AnyAudienceSciTokens && c.Profile() == wlcg.SciTokens
	}) {
		x.add(everywhere, "refused: the audience is %+q, expected is %s", strings.Join(c.Audience, " "), e.Audience)
	}
	if !e.Now.IsZero() {
		x.times(c, e.Now)
	}
}

// times allows for no difference of clocks, as storage does, not even for iat.
func (x *explainer) times(c wlcg.Claims, now time.Time) {
	for _, t := range []struct {
		wrong bool
		where string
		what  string
		at    time.Time
	}{
		{!c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt), everywhere, "it expired at", c.ExpiresAt},
		{c.NotBefore.After(now), everywhere, "it is not valid before", c.NotBefore},
		{c.IssuedAt.After(now), xrootd, "it says \"token expired\" of tokens issued in the future, at", c.IssuedAt},
	} {
		if t.wrong {
			x.add(t.where, "refused: %s %s", t.what, t.at.Format(time.RFC3339))
		}
	}
}

// version looks at how the token names its profile.
func (x *explainer) version(c wlcg.Claims) {
	storage := slices.ContainsFunc(c.Scope, func(s string) bool { return strings.HasPrefix(s, "storage.") })
	switch {
	case c.Version == "" && storage:
		x.add(everywhere, "refused: wlcg.ver is missing, and without it storage.* means nothing")
	case c.Profile() == wlcg.SciTokens && storage:
		x.add(xrootd, "refused: storage.* means nothing in a SciToken")
	case c.Profile() == wlcg.WLCG && c.Version != "1.0":
		x.add(everywhere, "refused: wlcg.ver is %+q; storage knows 1.0 only", c.Version)
	}
}

// rights are what the actions with paths mean; the profiles have different words for some.
var rights = map[string]string{
	"storage.read": "read", "storage.create": "create", "storage.modify": "modify", "storage.stage": "stage", "storage.poll": "poll",
	"read": "read", "write": "modify", "create": "create", "modify": "modify", "stage": "stage",
}

// scopes looks at each capability, and at those that are missing beside it.
func (x *explainer) scopes(list []string) {
	granted := map[string]bool{} // right and path
	var paths []string
	for _, text := range list {
		name, path, _ := strings.Cut(text, ":")
		right, known := rights[name]
		if !known {
			continue
		}
		granted[right+path] = true
		paths = append(paths, path)
		x.path(text, path)
	}
	for _, path := range paths {
		if (granted["create"+path] || granted["modify"+path]) && !granted["read"+path] {
			x.add(olderXrd, "xrdcp cannot write files under %+q: it looks first, and only read includes stat there", path)
		}
		if granted["modify"+path] && !granted["read"+path] {
			x.add(olderXrd, "files under %+q cannot be deleted over HTTP: modify does not include stat there", path)
			x.add(everywhere, "files under %+q cannot be read back: modify does not include read", path)
		}
		if granted["stage"+path] && !granted["read"+path] {
			x.add(xrootd, "files under %+q cannot be read: stage does not include read", path)
		}
	}
	for _, pair := range Confusable(paths) {
		x.add(olderXrd+" and "+storm, "a right for %+q is one for %+q, too: paths are compared as texts", pair[0], pair[1])
	}
}

// path looks at the path of one capability.
func (x *explainer) path(text, path string) {
	segments := strings.Split(path, "/")
	switch {
	case path == "" && strings.HasPrefix(text, "storage."):
		x.add(xrootd, "%+q has no path and opens everything", text)
		x.add(dcache, "%+q has no path and is refused", text)
	case path != "" && path[0] != '/':
		x.add(everywhere, "%+q has a path that does not begin with a slash", text)
	case slices.Contains(segments, "..") || slices.Contains(segments, "."):
		x.add(xrootd, "%+q is read as the shorter path that the dots lead to", text)
		x.add(storm, "%+q is refused for its dots", text)
	case strings.Contains(path, "%"):
		x.add(xrootd, "%+q opens nothing: percent-escapes are not decoded there, and are at others", text)
	case len(path) > 1 && strings.HasSuffix(path, "/"):
		x.add(everywhere, "%+q is for the directory only by the profile, and for all that begins so at some", text)
	}
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") != "" {
		x.add(storm, "%+q is read as a regular expression there, so it opens more or less than it says", text)
	}
}

// Confusable finds pairs of paths of which the second begins with the text of the first, but is not
// below it: /data and /data2. XRootD before 5.6.9 and StoRM WebDAV open both to a token for the
// first, so a site with such servers should not use such names. The pairs come sorted.
func Confusable(paths []string) [][2]string {
	sorted := slices.Compact(slices.Sorted(slices.Values(paths)))
	var pairs [][2]string
	for i, short := range sorted {
		if strings.HasSuffix(short, "/") {
			continue
		}
		for _, long := range sorted[i+1:] { // all that begin with short follow it
			rest, begins := strings.CutPrefix(long, short)
			if !begins {
				break
			}
			if rest[0] != '/' {
				pairs = append(pairs, [2]string{short, long})
			}
		}
	}
	return pairs
}
