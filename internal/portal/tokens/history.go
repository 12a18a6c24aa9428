package tokens

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// remembered is how many events a history shows.
const remembered = 50

// history turns a grant's records into events, newest first as they come. Provider is its title.
func history(records []audit.Record, provider string) []wording.Event {
	var all []wording.Event
	for _, r := range records {
		e := wording.Event{At: r.At, What: deed(r, provider)}
		e.Who, e.Where = wording.Doer(r)
		if _, verb, _ := strings.Cut(r.Action, "."); verb == "create" || verb == "extend" {
			e.Until, _ = time.Parse(time.RFC3339, r.Detail["expires_at"]) // zero if it is not there
		}
		all = append(all, e)
	}
	return all
}

// deed says in words what a record tells.
func deed(r audit.Record, provider string) string {
	reason := credential.Reason(r.Detail["reason"])
	_, verb, _ := strings.Cut(r.Action, ".")
	switch verb {
	case "create":
		return "asked for"
	case "extend":
		return "extended"
	case "approve":
		return "approved at " + provider
	case "repair":
		return "signed in again at " + provider
	case "decline":
		return "not approved: " + r.Detail["answer"]
	case "needs_sign_in":
		return provider + " refuses it: " + r.Detail["answer"]
	case "narrow":
		spec, err := grant.ParseSpec([]byte(r.Detail["rights"]))
		if err != nil {
			return "narrowed"
		}
		return strings.TrimSpace("narrowed to " + strings.Join(slices.Concat(spec.Scopes, spec.Audiences), " "))
	case "freeze":
		return wording.Because("paused", reason)
	case "thaw":
		return "continued"
	case "end":
		if reason == credential.Expired {
			return "expired"
		}
		return wording.Because("ended", reason)
	case "finish":
		return "ended at " + provider + " too: " + r.Detail["receipt"]
	}
	return strings.ReplaceAll(verb, "_", " ")
}

// passedOn turns what was done by and with the mytokens of a grant into events, newest first. Records
// are what its owner did, newest first; what holders of tokens do is done in the owner's name.
func passedOn(records []audit.Record, grantID string) []wording.Event {
	var all []wording.Event
	names := map[string]string{}
	for _, r := range slices.Backward(records) {
		if r.Detail["grant"] != grantID {
			continue
		}
		e := wording.Event{At: r.At, Who: r.ActorName, Where: r.Address}
		if r.Detail["client"] != "" { // by a token
			e.Who = ""
		}
		switch r.Action {
		case "delegation.accept":
			e.What = "agreed to what " + quoted(r.Detail["application"], "an application") + " asked for from " + r.Detail["asker"]
		case "subgrant.create":
			names[r.Subject] = cmp.Or(r.Detail["name"], r.Detail["application"])
			e.What = "token " + quoted(names[r.Subject], "without a name") + " made"
		case "subgrant.revoke":
			e.What = "token " + quoted(names[r.Subject], "made before") + " ended"
			if r.Detail["reason"] == string(delegation.Replayed) {
				e.What += ", because one that it had replaced was shown again"
			}
		default:
			continue
		}
		all = append(all, e)
	}
	slices.Reverse(all)
	return all
}

// quoted is a name as it stands in a sentence, or what to say without one.
func quoted(name, without string) string {
	if name == "" {
		return without
	}
	return "“" + name + "”"
}

// uses turns the events of a mytoken, oldest first, into some for people, newest first.
func uses(events []delegation.Event) []wording.Event {
	var all []wording.Event
	for _, e := range slices.Backward(events) {
		what := map[string]string{ //nolint:gosec // words, no secrets
			"created": "made", "AT_created": "got an access token", "MT_created": "made a token from it", "inherited_RT": "",
			"token_rotated": "was replaced by a new one", "revoked": "ended", "expired": "expired", "revoked_other_token": "ended another token",
			"transfer_code_created": "prepared to be handed over", "transfer_code_used": "handed over",
			"tokeninfo_history": "looked at its history", "tokeninfo_history_other_token": "looked at the history of others",
			"tokeninfo_subtokens": "looked at what was made from it", "tokeninfo_list_mytokens": "looked at all your tokens of this sort",
		}
		words, known := what[e.Name]
		if !known {
			words = strings.ReplaceAll(e.Name, "_", " ")
		}
		if words == "" { // what comes with every "made"
			continue
		}
		if comment := strings.TrimPrefix(strings.TrimPrefix(e.Comment, "Used grant_type mytoken"), ": "); e.Name == "AT_created" && comment != "" {
			words += " (" + comment + ")"
		}
		all = append(all, wording.Event{At: e.At, What: words, Where: e.Address})
	}
	return all
}

// newest merges histories.
func newest(all ...[]wording.Event) []wording.Event {
	merged := slices.Concat(all...)
	slices.SortStableFunc(merged, func(a, b wording.Event) int { return b.At.Compare(a.At) })
	return merged[:min(len(merged), remembered)]
}
