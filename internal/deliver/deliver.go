// Package deliver holds the contract of delivery targets and what all of them share: editing a
// client's configuration file without touching what is foreign in it, and replacing files so that
// a reader sees the old or the new one, never a part. Targets live below it, one consumer each.
// It imports material and fault.
package deliver

import (
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// Access is what a target writes down: where the store is and with what to get in.
type Access struct {
	// Name is the base of remote, profile and alias names: letters, digits, dot, dash, underscore.
	Name string
	// Project is the project's name.
	Project string
	// Endpoint is the S3 service's URL with scheme and without a path; Region goes into signatures.
	Endpoint, Region string
	// Keys are the key pair. Both halves are empty if Process is set.
	Keys material.S3Keys
	// Process is the command, with arguments, that prints fresh keys in the credential_process
	// form of the AWS SDKs; only targets whose Process method says so take it.
	Process []string
	// Default makes it the client's default profile or remote too.
	Default bool
	// ExpiresAt is the key's end, for comments in files; zero if unknown.
	ExpiresAt time.Time
}

// Home says where a user's files are, so that tests can move them.
type Home struct {
	// Dir is the home directory from the password database.
	Dir string
	// Getenv returns the variable's value; clients' own overrides are honoured (RCLONE_CONFIG …).
	Getenv func(string) string
	// Path, if set, is the file to write in place of the client's own. Targets of several files
	// put the others beside it.
	Path string
}

// An Edit turns the old content of one file into the new. Old is nil if there was no file, and the
// result is nil if there shall be none.
type Edit struct {
	Path  string
	Apply func(old []byte) ([]byte, error)
}

// A Command runs a real client.
type Command struct {
	Args []string
	Env  []string // in addition to the caller's
}

// A Target writes the configuration of one consumer. All methods are pure.
type Target interface {
	// Name is the word on the command line: rclone, s3cmd, aws.
	Name() string
	// Title is for pages: "AWS CLI".
	Title() string
	// Process reports whether the client can call a command for its keys.
	Process() bool
	// Snippet is a complete file as a person would paste or download it, and its usual place.
	Snippet(Access) (path, text string)
	// Write returns the edits that add or replace a's entries, Remove those that delete them.
	Write(Home, Access) ([]Edit, error)
	Remove(Home, Access) ([]Edit, error)
	// Test is the command that proves the configuration, given where each edited file's
	// candidate is, by the path in its Edit. It lists buckets and changes nothing.
	Test(h Home, a Access, candidate map[string]string) Command
	// Try is the command line to suggest next.
	Try(Access) string
}

// DefaultName is the base of remote and profile names for a project: "lumi-" and the number for
// LUMI projects (nine digits that begin with 462, 465 or 442), because people of that site know
// their remotes by it; "lanyard-" and the name for all others.
func DefaultName(project string) string {
	number := len(project) == 9 && strings.Trim(project, "0123456789") == ""
	if number && slices.Contains([]string{"462", "465", "442"}, project[:3]) {
		return "lumi-" + project
	}
	return "lanyard-" + project
}
