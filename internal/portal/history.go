package portal

import (
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
)

// event is a record of the audit trail as people read it.
type event struct {
	At   time.Time
	What string
	// Until is the end that the key got, for events that set one.
	Until time.Time
	// Who and Where are empty for the server's own work.
	Who, Where string
}

// history turns a key's records into events, newest first as they come.
func history(records []audit.Record) []event {
	var out []event
	for _, r := range records {
		e := event{At: r.At, Who: r.ActorName, Where: r.Address}
		_, verb, _ := strings.Cut(r.Action, ".")
		until, _ := time.Parse(time.RFC3339, r.Detail["expires_at"]) // zero if it is not there
		reason := credential.Reason(r.Detail["reason"])
		switch verb {
		case "create":
			e.What, e.Until = "created", until
		case "extend":
			e.What, e.Until = "extended", until
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
		switch r.Actor {
		case "lanyard":
			e.Who, e.Where = "", ""
		case "operator":
			e.Who = "the operator"
		}
		out = append(out, e)
	}
	return out
}
