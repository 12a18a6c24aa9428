package voms

import (
	"fmt"
	"strings"
)

// A FQAN is a fully qualified attribute name, /vo[/group...][/Role=role][/Capability=capability].
// Absent and NULL are the same, so values that mean the same are == each other.
type FQAN struct {
	Group      string // with all above it, from the VO down: "/cms/higgs"
	Role       string // empty: none
	Capability string // empty: none
}

const (
	rolePrefix       = "/Role="
	capabilityPrefix = "/Capability="
	null             = "NULL"
)

// ParseFQAN reads a FQAN in its short or long form. Groups and roles have letters, digits and
// "_.-" only, as all servers and clients demand; all in all there are at most MaxFQAN characters.
// ACs may hold FQANs that are laxer, but only in this form do they have a meaning.
func ParseFQAN(text string) (FQAN, error) {
	rest, capability, hasCapability := strings.Cut(text, capabilityPrefix)
	group, role, hasRole := strings.Cut(rest, rolePrefix)
	groups, hasGroup := strings.CutPrefix(group, "/")
	ok := hasGroup && len(text) <= MaxFQAN && (!hasRole || word(role)) && (!hasCapability || word(capability))
	for name := range strings.SplitSeq(groups, "/") {
		ok = ok && word(name) && name != "." && name != ".."
	}
	if !ok {
		return FQAN{}, fmt.Errorf("%q is no FQAN: it must be /VO/GROUP... with /Role=ROLE where there is one, names of letters, digits and _.- only, and at most %d characters",
			text[:min(len(text), MaxFQAN)], MaxFQAN)
	}
	if role == null {
		role = ""
	}
	if capability == null {
		capability = ""
	}
	return FQAN{Group: group, Role: role, Capability: capability}, nil
}

func word(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return s != ""
}

// VO returns the name of the VO.
func (f FQAN) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(f.Group, "/"), "/")
	return vo
}

// Short returns the form without NULL parts: /cms, /cms/Role=production.
func (f FQAN) Short() string {
	text := f.Group
	if f.Role != "" {
		text += rolePrefix + f.Role
	}
	if f.Capability != "" {
		text += capabilityPrefix + f.Capability
	}
	return text
}

// Long returns the form with all parts: /cms/Role=NULL/Capability=NULL. It is what the field's
// server emits unless it is told otherwise.
func (f FQAN) Long() string {
	part := func(s string) string {
		if s == "" {
			return null
		}
		return s
	}
	return f.Group + rolePrefix + part(f.Role) + capabilityPrefix + part(f.Capability)
}

// String returns the short form.
func (f FQAN) String() string { return f.Short() }

// inVO reports whether fqan, in whatever form, belongs to vo.
func inVO(fqan, vo string) bool {
	rest, ok := strings.CutPrefix(fqan, "/"+vo)
	return ok && (rest == "" || rest[0] == '/')
}
