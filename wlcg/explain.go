package wlcg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
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
	p, err := split(token, nil)
	if err != nil {
		return []Finding{{everywhere, "storage cannot read the token: " + detail(err)}}
	}
	x := explainer{members: p.claims}
	x.header(p.header)
	x.claims()
	if c, err := p.read(); err != nil {
		x.add(everywhere, "refused: %s", detail(err))
	} else {
		x.expected(c, e)
		x.version(c)
		x.scopes(c.Scope)
	}
	return x.found
}

func detail(err error) string {
	if e, ok := err.(*Error); ok { //nolint:errorlint // never wrapped by split and read
		return e.Detail
	}
	return err.Error()
}

type explainer struct {
	members map[string]json.RawMessage
	found   []Finding
}

func (x *explainer) add(where, format string, args ...any) {
	if f := (Finding{where, fmt.Sprintf(format, args...)}); !slices.Contains(x.found, f) {
		x.found = append(x.found, f)
	}
}

func (x *explainer) has(name string) bool {
	_, ok := x.members[name]
	return ok
}

func (x *explainer) header(h Header) {
	if h.Algorithm != ES256 && h.Algorithm != RS256 {
		x.add(everywhere, "refused: the algorithm is %s; storage knows ES256 and RS256", quote(h.Algorithm))
	}
	if h.KeyID == "" {
		x.add(everywhere, "refused unless the issuer publishes one key only: the token does not name its key (kid)")
	}
	if !x.has("nbf") && h.Type != TypeAccess {
		x.add(xrootd, "refused: nbf is missing, and typ is not %s", TypeAccess)
	}
}

// claims looks at what must be there.
func (x *explainer) claims() {
	for _, name := range []string{"iss", "sub", "aud", "exp"} {
		if !x.has(name) {
			x.add(everywhere, "refused: %s is missing", name)
		}
	}
	if !x.has("iat") {
		x.add(xrootd, "refused: iat is missing")
	}
	for _, name := range []string{"jti", "nbf"} {
		if !x.has(name) {
			x.add(storm, "refused: %s is missing", name)
		}
	}
	if scope, ok := x.members["scope"]; !ok {
		x.add(xrootd+" and "+storm, "refused: scope is missing, and groups alone give nothing there")
	} else if scope[0] == '[' {
		x.add(everywhere, "refused: scope is a list; it must be one text with blanks")
	}
}

// expected compares with what the storage is configured for. Storage allows for no difference of
// clocks, not even for iat.
func (x *explainer) expected(c Claims, e Expectation) {
	if strings.HasSuffix(c.Issuer, "/") {
		x.add(everywhere, "refused where the issuer is configured without the slash at its end: issuers are compared as texts")
	}
	if !strings.HasPrefix(c.Issuer, "https://") {
		x.add(everywhere, "refused: keys are fetched by https only, and the issuer is %s", quote(c.Issuer))
	}
	if e.Issuer != "" && c.Issuer != e.Issuer {
		x.add(everywhere, "refused: the issuer is %s, expected is %s", quote(c.Issuer), e.Issuer)
	}
	for _, audience := range c.Audience {
		if strings.HasSuffix(audience, "/") {
			x.add(everywhere, "refused where the audience %s is configured without the slash at its end: audiences are compared as texts", quote(audience))
		}
	}
	if e.Audience != "" && !slices.ContainsFunc(c.Audience, func(a string) bool {
		return a == e.Audience || a == AnyAudience && c.Profile() == WLCG || a == AnyAudienceSciTokens && c.Profile() == SciTokens
	}) {
		x.add(everywhere, "refused: the audience is %s, expected is %s", quote(strings.Join(c.Audience, " ")), e.Audience)
	}
	if e.Now.IsZero() {
		return
	}
	for _, t := range []struct {
		wrong bool
		where string
		what  string
		at    time.Time
	}{
		{!c.ExpiresAt.IsZero() && !e.Now.Before(c.ExpiresAt), everywhere, "it expired at", c.ExpiresAt},
		{c.NotBefore.After(e.Now), everywhere, "it is not valid before", c.NotBefore},
		{c.IssuedAt.After(e.Now), xrootd, "it says \"token expired\" of tokens issued in the future, at", c.IssuedAt},
	} {
		if t.wrong {
			x.add(t.where, "refused: %s %s", t.what, t.at.Format(time.RFC3339))
		}
	}
}

// version looks at how the token names its profile.
func (x *explainer) version(c Claims) {
	storage := slices.ContainsFunc(c.Scope, func(s string) bool { return strings.HasPrefix(s, "storage.") })
	switch {
	case c.Version == "" && storage:
		x.add(everywhere, "refused: wlcg.ver is missing, and without it storage.* means nothing")
	case c.Profile() == SciTokens && storage:
		x.add(xrootd, "refused: storage.* means nothing in a SciToken")
	case c.Profile() == WLCG && c.Version != versionWLCG:
		x.add(everywhere, "refused: wlcg.ver is %s; storage knows %s only", quote(c.Version), versionWLCG)
	}
}

// scopes looks at each capability, and at those that are missing beside it.
func (x *explainer) scopes(list []string) {
	granted := map[string]bool{} // right and path
	var paths []string
	for _, text := range list {
		name, path, _ := strings.Cut(text, ":")
		action, known := actions[name]
		if !known || !action.path {
			continue
		}
		granted[action.right+path] = true
		paths = append(paths, path)
		x.path(text, path, action.profile)
	}
	for _, path := range paths {
		if granted["modify"+path] && !granted["read"+path] {
			x.add(olderXrd, "files under %s cannot be deleted over HTTP, nor anywhere be read: modify does not include read", quote(path))
		}
		if granted["stage"+path] && !granted["read"+path] {
			x.add(xrootd, "files under %s cannot be read: stage does not include read", quote(path))
		}
	}
	for _, pair := range Confusable(paths) {
		x.add(olderXrd+" and "+storm, "a right for %s is one for %s, too: paths are compared as texts", quote(pair[0]), quote(pair[1]))
	}
}

func (x *explainer) path(text, path string, p Profile) {
	segments := strings.Split(path, "/")
	switch {
	case path == "" && p == WLCG:
		x.add(xrootd, "%s has no path and opens everything", quote(text))
		x.add(dcache, "%s has no path and is refused", quote(text))
	case path != "" && path[0] != '/':
		x.add(everywhere, "%s has a path that does not begin with a slash", quote(text))
	case slices.Contains(segments, "..") || slices.Contains(segments, "."):
		x.add(xrootd, "%s is read as the shorter path that the dots lead to", quote(text))
		x.add(storm, "%s is refused for its dots", quote(text))
	case strings.Contains(path, "%"):
		x.add(xrootd, "%s opens nothing: percent-escapes are not decoded there, and are at others", quote(text))
	case len(path) > 1 && strings.HasSuffix(path, "/"):
		x.add(everywhere, "%s is for the directory only by the profile, and for all that begins so at some", quote(text))
	}
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") != "" {
		x.add(storm, "%s is read as a regular expression there, so it opens more or less than it says", quote(text))
	}
}
