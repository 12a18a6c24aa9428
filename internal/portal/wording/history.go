package wording

import (
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
)

// An Event is a record of the audit trail as people read it.
type Event struct {
	At   time.Time
	What string
	// Until is the end that it got, for events that set one.
	Until time.Time
	// Who and Where are empty for the server's own work.
	Who, Where string
}

// History turns a credential's records into events, newest first as they come.
func History(records []audit.Record) []Event {
	var out []Event
	for _, r := range records {
		e := Event{At: r.At}
		e.Who, e.Where = Doer(r)
		_, verb, _ := strings.Cut(r.Action, ".")
		until, _ := time.Parse(time.RFC3339, r.Detail["expires_at"]) // zero if it is not there
		reason := credential.Reason(r.Detail["reason"])
		switch verb {
		case "create":
			e.What, e.Until = "created", until
		case "extend":
			e.What, e.Until = "extended", until
		case "complete":
			e.What, e.Until = "completed", until
		case "renew":
			e.What, e.Until = "renewed with a newer chain", until
		case "retrieve":
			e.What = "a fresh proxy fetched"
			e.Until, _ = time.Parse(time.RFC3339, r.Detail["material_expires_at"])
		case "freeze":
			e.What = freeze(reason)
		case "thaw":
			e.What = "thawed"
		case "reveal":
			e.What = "its secret shown again"
		case "end":
			e.What = end(reason)
		case "finish":
			continue // clean-up at outside systems: nothing that people did or feel
		default:
			e.What = strings.ReplaceAll(verb, "_", " ")
		}
		out = append(out, e)
	}
	return out
}

// Doer says who did what a record tells, from where. Both are empty for the server's own work.
func Doer(r audit.Record) (who, where string) {
	switch r.Actor {
	case "lanyard":
		return "", ""
	case "operator":
		return "the operator", r.Address
	}
	return r.ActorName, r.Address
}
