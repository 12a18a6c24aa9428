// Package bucket describes buckets as Lanyard's S3 gateway offers them: names that are unique per
// project, mapped to names that are unique at the object store behind. Words and rules, no I/O; it
// imports fault only.
package bucket

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// State of a bucket. An intent is written before the object store is asked, so that a crash
// leaves something to find again.
type State string

// The states: intended → active → ending; an ended bucket has no row.
const (
	Intended State = "intended"
	Active   State = "active"
	Ending   State = "ending"
)

// A Bucket belongs to one project.
type Bucket struct {
	ID        string // bkt_…
	ProjectID string
	Name      string // as clients say it, unique within the project
	Upstream  string // the name at the object store, unique there
	// PublicRead lets everybody list it (canned ACL public-read); objects carry their own ACL.
	PublicRead bool
	State      State
	CreatedBy  string // account id
	CreatedAt  time.Time
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// CheckName refuses what S3 does not take as a bucket name, with an Invalid fault that says the
// rule. (Amazon S3 user guide, "Bucket naming rules".)
func CheckName(s string) error {
	_, notIP := netip.ParseAddr(s)
	if !name.MatchString(s) || strings.Contains(s, "..") || strings.Contains(s, ".-") || strings.Contains(s, "-.") || notIP == nil {
		return fault.New(fault.Invalid, "%.80q is not a bucket name: use 3 to 63 lower-case letters, digits, dots and dashes, beginning and ending with a letter or digit, and not an IP address", s)
	}
	return nil
}

// UpstreamName returns the object store's name for bucket name of project: readable where that is a
// name for S3, else brought to its 63 characters and made unique by a hash. No two buckets get the
// same one.
func UpstreamName(project, name string) string {
	// A project's name holds no dot, so project.name is unique. What has a hash has 63 characters and
	// nothing else has: nobody can choose a name that meets another one's hash.
	s := project + "." + name
	if len(s) < 63 && CheckName(s) == nil { // 0.0.1 of project 10 would be an IP address
		return s
	}
	sum := sha256.Sum256([]byte(s))
	hash := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
	width := 63 - 1 - len(hash)
	cut := (s + strings.Repeat("x", width))[:width]
	if c := cut[len(cut)-1]; c == '.' || c == '-' { // S3 allows neither before a dash
		cut = cut[:len(cut)-1] + "x"
	}
	return cut + "-" + hash
}
