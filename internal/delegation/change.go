package delegation

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/notice"
)

// A Change is what a decision writes, all or nothing.
type Change struct {
	// Insert are new sub-grants, Save those of which Seq, Counts, IssuedAt and ExpiresAt changed.
	Insert, Save []SubGrant
	// End are ids of those that end at At for the Reason, with all below them if Recursive. By is who
	// asked, for their events.
	End       []string
	Reason    Reason
	Recursive bool
	At        time.Time
	By        Event
	// Codes are new; Spend are hashes of those that are used up. One that is not there is a NotFound
	// fault: somebody else was first.
	Codes  []Code
	Spend  [][]byte
	Events []Event
	// Records are the audit records that go with it, Notices what people are told of it.
	Records []audit.Record
	Notices []notice.Notice
}

// Ended is the event of a sub-grant that ends by c.
func (c Change) Ended(id string) Event {
	e := c.By
	e.SubGrantID, e.At, e.Name = id, c.At, "revoked"
	switch c.Reason {
	case Over:
		e.Name = "expired"
	case Replayed:
		e.Comment = "a token that was replaced was shown again"
	}
	return e
}

// Filter selects sub-grants that have not ended; empty fields select all.
type Filter struct {
	OwnerID, GrantID string
}
