package wlcg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Scope is one capability: storage.read:/data, compute.create, or SciTokens' read:/data.
type Scope struct {
	Action string // storage.read, compute.create, write, …
	Path   string // absolute and in its normal form; empty for actions that have none
}

// Scopes is a list of capabilities, in the order of their token or request.
type Scopes []Scope

// ErrNotCapability is wrapped by the errors of ParseScope for scopes that are no capabilities,
// such as openid. It is not for capabilities that are ill-formed.
var ErrNotCapability = errors.New("not a capability")

const (
	maxPath   = 1024 // bytes
	maxScopes = 256  // in one text
)

// meaning is what is known of an action.
type meaning struct {
	profile Profile
	right   string // the profiles' words for one thing have the same right
	path    bool   // one must follow
}

// actions are those of the WLCG profile 1.3 and of SciTokens 2.0.
var actions = map[string]meaning{
	"storage.read":   {WLCG, "read", true},
	"storage.create": {WLCG, "create", true},
	"storage.modify": {WLCG, "modify", true},
	"storage.stage":  {WLCG, "stage", true},
	"storage.poll":   {WLCG, "poll", true},
	"compute.read":   {WLCG, "compute.read", false},
	"compute.modify": {WLCG, "compute.modify", false},
	"compute.create": {WLCG, "compute.create", false},
	"compute.cancel": {WLCG, "compute.cancel", false},
	"host.auth":      {WLCG, "host.auth", false},
	"read":           {SciTokens, "read", true},
	"write":          {SciTokens, "modify", true},
	"create":         {SciTokens, "create", true},
	"modify":         {SciTokens, "modify", true},
	"stage":          {SciTokens, "stage", true},
	"queue":          {SciTokens, "queue", false},
	"execute":        {SciTokens, "execute", false},
	"condor":         {SciTokens, "condor", true},
}

// ParseScope reads one capability. It refuses, and never cleans, what storage reads in different
// ways: a missing path, paths that are relative or hold empty, "." or ".." segments, a slash at the
// end, percent-escapes, and characters that would need one. Both profiles' words are read.
func ParseScope(text string) (Scope, error) {
	name, path, colon := strings.Cut(text, ":")
	action, known := actions[name]
	switch {
	case !known && (strings.HasPrefix(name, "storage.") || strings.HasPrefix(name, "compute.")):
		return Scope{}, fmt.Errorf("scope %s: the WLCG profile knows no action %s", quote(text), quote(name))
	case !known:
		return Scope{}, fmt.Errorf("scope %s: %w", quote(text), ErrNotCapability)
	case !action.path && colon:
		return Scope{}, fmt.Errorf("scope %s: %s has no path", quote(text), name)
	case action.path && path == "":
		// Some storage reads it as "everything".
		return Scope{}, fmt.Errorf("scope %s: the path is missing; write %s:/path", quote(text), name)
	case action.path:
		if err := checkPath(path); err != nil {
			return Scope{}, fmt.Errorf("scope %s: %w", quote(text), err)
		}
	}
	return Scope{Action: name, Path: path}, nil
}

// checkPath holds the rules of paths. What is left are the characters that RFC 3986 allows in a
// segment without an escape, because storage does not agree on whether escapes are decoded.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path has more than %d bytes", maxPath)
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return errors.New("the path must begin with /")
	}
	if rest == "" {
		return nil
	}
	for segment := range strings.SplitSeq(rest, "/") {
		switch segment {
		case "":
			return errors.New("the path has two slashes in a row, or one at its end")
		case ".", "..":
			return fmt.Errorf("the path has a segment %q", segment)
		}
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return r > '~' || r <= ' ' || !plainInPath(byte(r)) }); i >= 0 {
		if path[i] == '%' {
			return errors.New("the path has a percent-escape, which storage does not agree about")
		}
		return fmt.Errorf("the path has a character that would need a percent-escape, at byte %d", i)
	}
	return nil
}

// plainInPath tells the characters of RFC 3986's pchar, and the slash.
func plainInPath(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-._~!$&'()*+,;=:@", c) >= 0
}

// ParseScopes reads capabilities with blanks between them, as the claim and the parameter scope
// hold them. Anything else in the text is an error.
func ParseScopes(text string) (Scopes, error) {
	scopes, others, err := SplitScopes(strings.Fields(text))
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("scope %s: %w", quote(others[0]), ErrNotCapability)
	}
	if err != nil {
		return nil, err
	}
	return scopes, nil
}

// SplitScopes tells capabilities from the other scopes of a list (openid, wlcg.groups), both in
// their order. A capability that is ill-formed is an error.
func SplitScopes(list []string) (capabilities Scopes, others []string, err error) {
	if len(list) > maxScopes {
		return nil, nil, fmt.Errorf("more than %d scopes", maxScopes)
	}
	for _, text := range list {
		scope, err := ParseScope(text)
		switch {
		case errors.Is(err, ErrNotCapability):
			others = append(others, text)
		case err != nil:
			return nil, nil, err
		default:
			capabilities = append(capabilities, scope)
		}
	}
	return capabilities, others, nil
}

// String is the scope as tokens hold it.
func (s Scope) String() string {
	if s.Path == "" {
		return s.Action
	}
	return s.Action + ":" + s.Path
}

// Covers tells whether who holds s may do what other allows. Paths are compared by segments:
// /data covers /data and /data/raw, not /data2. To modify includes to create, and nothing else
// includes another action. The words of SciTokens mean the same as those of WLCG. A scope that
// ParseScope would refuse covers nothing and is covered by nothing.
func (s Scope) Covers(other Scope) bool {
	mine, theirs := s.right(), other.right()
	if mine == "" || mine != theirs && (mine != "modify" || theirs != "create") {
		return false
	}
	return s.Path == other.Path || s.Path == "/" || strings.HasPrefix(other.Path, s.Path+"/")
}

// right is what the scope's action means, empty if the scope is ill-formed.
func (s Scope) right() string {
	action := actions[s.Action]
	if action.path != (s.Path != "") || s.Path != "" && checkPath(s.Path) != nil {
		return ""
	}
	return action.right
}

// Strings are the scopes as tokens hold them.
func (s Scopes) Strings() []string {
	list := make([]string, len(s))
	for i, scope := range s {
		list[i] = scope.String()
	}
	return list
}

// String is the scopes with blanks between them.
func (s Scopes) String() string { return strings.Join(s.Strings(), " ") }

// Allows tells whether one of the scopes covers the wanted one.
func (s Scopes) Allows(wanted Scope) bool {
	return slices.ContainsFunc(s, func(mine Scope) bool { return mine.Covers(wanted) })
}

// Cover is those of the wanted scopes that s allows, in their order and each once.
func (s Scopes) Cover(wanted Scopes) Scopes {
	var allowed Scopes
	for _, w := range wanted {
		if s.Allows(w) && !slices.Contains(allowed, w) {
			allowed = append(allowed, w)
		}
	}
	return allowed
}

// quote prints what a stranger sent: short, and with nothing in it that a terminal obeys.
func quote(text string) string {
	const enough = 100
	if len(text) > enough {
		return fmt.Sprintf("%+q…", text[:enough])
	}
	return fmt.Sprintf("%+q", text)
}
