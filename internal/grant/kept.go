package grant

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Kept is an access token that is kept ready for one wish.
type Kept struct {
	Tokens // Refresh is empty
	Wish   Wish
	// IssuedAt is when it was given, and UsedAt when somebody last asked for it.
	IssuedAt, UsedAt time.Time
	// DueAt is when to renew it ahead; zero: when somebody asks.
	DueAt time.Time
}

// A Use is somebody's asking for a token of the wish with this key.
type Use struct {
	GrantID, Wish string
	At            time.Time
}

// A Claim is a grant that one server works on, with all tokens that are kept for it.
type Claim struct {
	Credential credential.Credential
	Family     Family
	Kept       []Kept
}
