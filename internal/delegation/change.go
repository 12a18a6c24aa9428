package delegation

import "github.com/lanyardhq/lanyard/internal/audit"

// A Change is what a decision writes, all or nothing.
type Change struct {
	// Insert are new sub-grants, Save those of which Seq, Counts, IssuedAt and ExpiresAt changed.
	Insert, Save []SubGrant
	// End are ids of those that end now, for the reason, with all below them if Recursive.
	End       []string
	Reason    Reason
	Recursive bool
	// Codes are new; Spend are hashes of those that are used up. One that is not there is a NotFound
	// fault: somebody else was first.
	Codes  []Code
	Spend  [][]byte
	Events []Event
	// Records are the audit records that go with it.
	Records []audit.Record
}

// Filter selects sub-grants that have not ended; empty fields select all.
type Filter struct {
	OwnerID, GrantID string
}
