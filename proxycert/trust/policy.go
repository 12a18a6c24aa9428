package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// rules say which names an authority may sign. Where none are present it may sign all.
type rules struct {
	present bool // a file is there, even if it cannot be read
	list    []rule
}

// A rule permits or denies names, in the form that dn.Name.Folded gives.
type rule struct {
	deny    bool
	pattern string         // of a signing policy: * and ? stand for characters
	regex   *regexp.Regexp // of namespaces, else nil
}

func (r rule) matches(folded string) bool {
	if r.regex != nil {
		return r.regex.MatchString(folded)
	}
	return glob(r.pattern, folded)
}

// A statement is a rule and whose it is: of an authority by its name, or by the hash of the file.
type statement struct {
	issuer dn.Name
	self   bool
	rule   rule
}

// about reports whether a statement is about a, which the file that holds it may be named after.
func (s statement) about(a *authority, named bool) bool {
	return s.self && named || !s.self && s.issuer.Equal(a.name)
}

// permits checks that a may sign the name of c. What denies goes before what permits, and if there
// are both a signing policy and namespaces, both have to permit.
func (a *authority) permits(c *x509.Certificate, required bool) *Error {
	if !a.policy.present && !a.namespaces.present {
		if required {
			return refuse(Namespace, c, "there is no signing policy of %s", a.name)
		}
		return nil
	}
	subject, err := dn.Of(c.RawSubject)
	if err != nil {
		return refuse(Namespace, c, "its name cannot be read")
	}
	folded := subject.Folded()
	for _, r := range []struct {
		what  string
		rules rules
	}{{"signing policy", a.policy}, {"namespaces", a.namespaces}} {
		match := func(deny bool) bool {
			return slices.ContainsFunc(r.rules.list, func(r rule) bool { return r.deny == deny && r.matches(folded) })
		}
		if r.rules.present && (match(true) || !match(false)) {
			return refuse(Namespace, c, "the %s of %s does not allow this name", r.what, a.name)
		}
	}
	return nil
}

// glob matches * with any characters and ? with any one. It remembers the last star only, which is
// enough, so that it takes no more than the product of the lengths.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// parseSigningPolicy reads the language of Globus (EACL): entries of three lines, an authority, the
// right to sign, and the names that it is for.
func parseSigningPolicy(data []byte) ([]statement, error) {
	var out []statement
	var issuer dn.Name
	known, sign := false, false
	for line := range strings.Lines(string(data)) {
		keyword, rest := field(line)
		if keyword == "" || keyword[0] == '#' {
			continue
		}
		_, value := field(rest) // behind the name of the authority that defines such words
		var err error
		switch {
		case keyword == "access_id_CA":
			issuer, err = dn.Parse(unquote(value, `'"`))
			known, sign = err == nil, false
		case keyword == "pos_rights" && known:
			sign = value == "CA:sign"
		case keyword == "cond_subjects" && known && sign:
			for _, pattern := range subjects(value) {
				out = append(out, statement{issuer: issuer, rule: rule{pattern: dn.Fold(pattern)}})
			}
		case keyword == "cond_subjects" || keyword == "pos_rights":
			err = errors.New("it belongs to no access_id_CA")
		}
		if err != nil {
			return nil, fmt.Errorf("signing policy: %q: %w", strings.TrimSpace(line), err)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("signing policy: no authority with cond_subjects")
	}
	return out, nil
}

// field splits off the first word.
func field(s string) (first, rest string) {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// unquote takes off one pair of quotes.
func unquote(s, quotes string) string {
	if len(s) >= 2 && s[0] == s[len(s)-1] && strings.IndexByte(quotes, s[0]) >= 0 {
		return s[1 : len(s)-1]
	}
	return s
}

// subjects splits '"/A/*" "/B/*"'.
func subjects(value string) []string {
	value = unquote(value, `'`)
	if !strings.Contains(value, `"`) {
		return []string{value}
	}
	var out []string
	for i, part := range strings.Split(value, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return out
}

// parseNamespaces reads the language of the EUGridPMA, version 1.0:
//
//	TO Issuer "name" PERMIT Subject "regular expression"
func parseNamespaces(data []byte) ([]statement, error) {
	words, err := words(string(data))
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	var out []statement
	for ; len(words) > 0; words = words[6:] {
		if len(words) < 6 || !words[0].is("TO") || !words[1].is("Issuer") || !words[3].is("PERMIT") && !words[3].is("DENY") ||
			!words[4].is("Subject") || !words[5].quoted {
			return nil, fmt.Errorf("namespaces: %q begins no rule", words[0].text)
		}
		s := statement{self: strings.EqualFold(words[2].text, "SELF"), rule: rule{deny: words[3].is("DENY")}}
		if !s.self {
			if s.issuer, err = dn.Parse(words[2].text); err != nil {
				return nil, fmt.Errorf("namespaces: %w", err)
			}
		}
		if s.rule.regex, err = regex(words[5].text); err != nil {
			return nil, fmt.Errorf("namespaces: %w", err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New("namespaces: no rule")
	}
	return out, nil
}

var (
	emailTypes  = regexp.MustCompile(`(?i)/(e|email)=`)
	userIDTypes = regexp.MustCompile(`(?i)/userid=`)
)

// regex makes an expression for names that are folded.
func regex(pattern string) (*regexp.Regexp, error) {
	pattern = emailTypes.ReplaceAllString(pattern, "/emailAddress=")
	pattern = userIDTypes.ReplaceAllString(pattern, "/UID=")
	return regexp.Compile(`(?i)^(?:` + pattern + `)$`)
}

type word struct {
	text   string
	quoted bool
}

func (w word) is(keyword string) bool { return !w.quoted && strings.EqualFold(w.text, keyword) }

// words splits a namespaces file. A # outside quotes begins a comment; a backslash continues the
// line, which does not matter here.
func words(s string) ([]word, error) {
	var out []word
	for {
		s = strings.TrimLeft(s, " \t\r\n\\")
		switch {
		case s == "":
			return out, nil
		case s[0] == '#':
			_, s, _ = strings.Cut(s, "\n")
		case s[0] == '"':
			end := closing(s)
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			out = append(out, word{s[1:end], true})
			s = s[end+1:]
		default:
			end := strings.IndexAny(s, " \t\r\n\\\"#")
			if end < 0 {
				end = len(s)
			}
			out = append(out, word{text: s[:end]})
			s = s[end:]
		}
	}
}

// closing returns where the quote at the beginning of s ends, -1 if it does not.
func closing(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		case '\n':
			return -1
		}
	}
	return -1
}
