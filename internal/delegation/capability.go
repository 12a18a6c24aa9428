package delegation

import (
	"slices"
	"strings"
)

// Capabilities are what a sub-grant may be used for. A name covers itself and all names below it:
// "tokeninfo" covers "tokeninfo:history", and "settings:grants" covers "read@settings:grants".
type Capabilities []string

// The capabilities that something of ours asks for.
const (
	CapabilityAT         = "AT"
	CapabilityCreate     = "create_mytoken"
	CapabilityIntrospect = "tokeninfo:introspect"
	CapabilityHistory    = "tokeninfo:history"
	CapabilitySubtokens  = "tokeninfo:subtokens"
	CapabilityList       = "manage_mytokens:list"
	CapabilityRevoke     = "manage_mytokens:revoke"
	CapabilityHistoryAny = "manage_mytokens:history"
	CapabilityReadGrants = "read@settings:grants"
	CapabilityGrants     = "settings:grants"
)

// DefaultCapabilities are given to who asks for none.
func DefaultCapabilities() Capabilities { return Capabilities{CapabilityAT, "tokeninfo"} }

// AllCapabilities are all names there are. What is not below one of them means nothing and is given
// to nobody.
func AllCapabilities() Capabilities {
	return Capabilities{CapabilityAT, "tokeninfo", CapabilityCreate, "manage_mytokens", "settings"}
}

// known are the names below AllCapabilities.
func known(name string) bool {
	return slices.Contains([]string{CapabilityAT, "tokeninfo", CapabilityIntrospect, CapabilityHistory, CapabilitySubtokens,
		"tokeninfo:notify", "tokeninfo:tags", CapabilityCreate, "manage_mytokens", CapabilityList, CapabilityRevoke, CapabilityHistoryAny,
		"manage_mytokens:notify", "manage_mytokens:tags", "settings", CapabilityGrants, "settings:grants:ssh", "settings:email",
		"settings:tags"}, strings.TrimPrefix(name, "read@"))
}

// Covers reports whether one of c is name, or above it.
func (c Capabilities) Covers(name string) bool {
	return slices.ContainsFunc(c, func(have string) bool { return covers(have, name) })
}

func covers(have, name string) bool {
	if !strings.HasPrefix(have, "read@") {
		name = strings.TrimPrefix(name, "read@")
	}
	return have == name || strings.HasPrefix(name, have+":")
}

// Intersect returns those of wanted that c covers, and for a wanted name that c covers in part only,
// that part. Names that mean nothing are left out.
func (c Capabilities) Intersect(wanted Capabilities) (both Capabilities) {
	for _, name := range wanted {
		switch {
		case !known(name):
		case c.Covers(name):
			both = append(both, name)
		default:
			for _, have := range c {
				if covers(name, have) {
					both = append(both, have)
				}
			}
		}
	}
	return both.distinct()
}

// distinct returns c without repetitions, in its order.
func (c Capabilities) distinct() (d Capabilities) {
	for _, name := range c {
		if !slices.Contains(d, name) {
			d = append(d, name)
		}
	}
	return d
}
