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
		reason := credential.Reason(r.Detail["reason"])
		switch verb {
		case "create":
			e.What, e.Until = "created", ends(r)
		case "extend":
			e.What, e.Until = "extended", ends(r)
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
		if r.Actor == "lanyard" {
			e.Who, e.Where = "", ""
		} else if r.Actor == "operator" {
			e.Who = "the operator"
		}
		out = append(out, e)
	}
	return out
}

func ends(r audit.Record) time.Time {
	at, err := time.Parse(time.RFC3339, r.Detail["expires_at"])
	if err != nil {
		return time.Time{}
	}
	return at
}
