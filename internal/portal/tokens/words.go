package tokens

import (
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// state is a word, and a class and a sign that show it too.
type state struct{ Word, Class, Sign string }

// stateOf says in words how a grant stands.
func stateOf(c credential.Credential, f grant.Family, now time.Time) state {
	live := c.Status == credential.Active || c.Status == credential.Frozen
	switch grant.StandingOf(c, f, now) {
	case grant.Valid:
		return state{"valid", "active", "●"}
	case grant.EndsSoon:
		return state{"valid, less than a day left", "soon", "◔"}
	case grant.Paused:
		return state{wording.Because("paused", c.Reason), "frozen", "❄"}
	case grant.Expired:
		return state{"expired", "ended", "○"}
	case grant.Revoked:
		if live {
			return state{"revoked at the provider", "lost", "✕"}
		}
		return state{wording.Because("revoked", c.Reason), "ended", "○"}
	}
	if c.Status == credential.Intended && c.Over(now) == "" {
		return state{"waits for your approval", "soon", "◌"}
	}
	if c.Reason == credential.Declined {
		return state{"declined at the provider", "ended", "○"}
	}
	return state{"never approved", "ended", "○"}
}

// health says in words how renewing goes.
func health(h grant.Health) state {
	switch h {
	case grant.Retrying:
		return state{"retrying", "soon", "↻"}
	case grant.NeedsSignIn:
		return state{"needs you to sign in", "lost", "✕"}
	case grant.NeedsOperator:
		return state{"this server is refused", "lost", "✕"}
	}
	return state{"fine", "active", "✓"}
}

// A term is a name that programs use, and what it means; Words are empty if nobody knows.
type term struct{ Name, Words string }

func scopes(names []string) []term {
	var all []term
	for _, n := range names {
		all = append(all, term{n, scope(n)})
	}
	return all
}

// scope says in words what a scope lets the holder of a token do.
func scope(s string) string {
	if known := map[string]string{
		"openid": "know which account you have there", "profile": "know your name", "email": "know your e-mail address",
		"phone": "know your telephone number", "address": "know your address", "offline_access": "go on while you are away, until it ends",
		"groups": "know your groups", "wlcg": "know your account as the WLCG names it", "wlcg.groups": "say which groups you are in",
		"eduperson_entitlement": "know your groups and entitlements", "entitlements": "know your groups and entitlements",
		"eduperson_scoped_affiliation": "know where you work or study", "eduperson_assurance": "know how well you were identified",
		"eduperson_principal_name": "know your user name at home", "voperson_id": "know your community identifier",
		"compute.read": "see jobs", "compute.modify": "change jobs", "compute.create": "start jobs", "compute.cancel": "end jobs",
	}[s]; known != "" {
		return known
	}
	action, path, ok := strings.Cut(s, ":")
	if !ok || !strings.HasPrefix(path, "/") {
		return ""
	}
	verb := map[string]string{
		"storage.read": "read", "storage.create": "add files", "storage.modify": "add, change and delete", "storage.stage": "fetch from tape",
		"read": "read", "write": "add, change and delete", "wlcg.groups": "say that you are in the group",
	}[action]
	switch {
	case verb == "":
		return ""
	case action == "wlcg.groups":
		return verb + " " + path
	case path == "/":
		return verb + " everywhere in the storage"
	}
	return verb + " below " + path
}

func capabilities(names []string) []term {
	var all []term
	for _, n := range names {
		all = append(all, term{n, capability(n)})
	}
	return all
}

// capability says in words what the holder of a mytoken may do with it.
func capability(name string) string {
	return map[string]string{ //nolint:gosec // words, no secrets
		delegation.CapabilityAT:         "get access tokens in your name",
		"tokeninfo":                     "see its own rights and history, and what was made from it",
		delegation.CapabilityIntrospect: "see its own rights and uses",
		delegation.CapabilityHistory:    "see its own history",
		delegation.CapabilitySubtokens:  "see what was made from it",
		"tokeninfo:notify":              "arrange messages about itself",
		"tokeninfo:tags":                "label itself",
		delegation.CapabilityCreate:     "pass on a part of its rights to others, as further tokens",
		"manage_mytokens":               "see, end and look into all your tokens of this sort, not only this one",
		delegation.CapabilityList:       "see all your tokens of this sort",
		delegation.CapabilityRevoke:     "end all your tokens of this sort",
		delegation.CapabilityHistoryAny: "see the history of all your tokens of this sort",
		"manage_mytokens:notify":        "arrange messages about all your tokens of this sort",
		"manage_mytokens:tags":          "label all your tokens of this sort",
		"settings":                      "see and change your settings",
		delegation.CapabilityGrants:     "see and change which ways lead to new tokens",
		"settings:grants:ssh":           "see and change by which SSH keys new tokens can be had",
		"settings:email":                "see and change your e-mail address",
		"settings:tags":                 "see and change your labels",
		"read@settings":                 "see your settings",
		delegation.CapabilityReadGrants: "see which ways lead to new tokens",
		"read@settings:grants:ssh":      "see by which SSH keys new tokens can be had",
		"read@settings:email":           "see your e-mail address",
		"read@settings:tags":            "see your labels",
	}[name]
}

// rotation says in words how a token changes with its use.
func rotation(r delegation.Rotation) []string {
	var words []string
	switch {
	case r.OnAT && r.OnOther:
		words = append(words, "every use replaces it by a new one")
	case r.OnAT:
		words = append(words, "every access token that it gets replaces it by a new one")
	case r.OnOther:
		words = append(words, "every use but getting access tokens replaces it by a new one")
	default:
		return nil
	}
	if r.Lifetime > 0 {
		words = append(words, "each lives for "+grant.Life(r.Lifetime))
	}
	if r.AutoRevoke {
		words = append(words, "if one that was replaced is shown again, all end")
	}
	return words
}

// times says how often something may be done, and was; empty if that is not limited.
func times(limit *int64, done int64) string {
	switch {
	case limit == nil:
		return ""
	case *limit == 0:
		return "never"
	}
	words := "at most " + strconv.FormatInt(*limit, 10) + " times"
	if *limit == 1 {
		words = "at most once"
	}
	if done > 0 {
		words += ", " + strconv.FormatInt(done, 10) + " used"
	}
	return words
}
