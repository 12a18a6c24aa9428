package tokens

import (
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

// uses turns the events of a mytoken, oldest first, into some for people, newest first.
func uses(events []delegation.Event, name string) []wording.Event {
	var all []wording.Event
	for _, e := range slices.Backward(events) {
		what := map[string]string{
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
		if name != "" {
			words = "“" + name + "”: " + words
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
