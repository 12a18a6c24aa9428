// Package feed describes the ordered feed of changes by which gateways learn what holds. An entry
// says which thing changed and carries the thing as it is when it is read, so that applying an
// entry twice, or a later state early, does no harm. Words only; it imports the words of row 1.
package feed

import (
	"errors"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/project"
)

// ErrTooOld is what a feed answers to somebody who asks for changes after a point that it no longer
// reaches back to: take a new Snapshot.
var ErrTooOld = errors.New("the feed does not reach back that far")

// Topic says what sort of thing changed.
type Topic string

// The topics.
const (
	Credential Topic = "credential"
	Project    Topic = "project"
	Bucket     Topic = "bucket"
	// Denial is about tokens, which no gateway takes: its entries carry nothing.
	Denial Topic = "denial"
)

// An Entry is one change. Exactly one of the pointers is set, unless the thing is gone: then all
// are nil and ID names what to forget.
type Entry struct {
	Seq        int64
	Topic      Topic
	ID         string
	Credential *Held
	Project    *project.Project
	Bucket     *bucket.Bucket
}

// Held is a credential with its opened state: it is secret.
type Held struct {
	credential.Credential
	State credential.State
}

// A Snapshot is everything that holds as of Seq.
type Snapshot struct {
	Seq         int64
	Credentials []Held
	Projects    []project.Project
	Buckets     []bucket.Bucket
}
