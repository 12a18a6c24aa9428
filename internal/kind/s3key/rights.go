package s3key

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// Mode says how far a key reaches.
type Mode string

// The modes.
const (
	ReadWrite Mode = "read-write" // everything in the project
	ReadOnly  Mode = "read"       // list and read everything in the project
	Custom    Mode = "custom"     // what the grants say
)

// Action is what somebody wants to do at the object store.
type Action int

// The actions. For List the key is the prefix that is asked for.
const (
	List   Action = iota // keys with a prefix, and unfinished uploads
	Read                 // an object, its metadata, tags and ACL
	Write                // make or replace an object, its tags and ACL; run a multipart upload
	Delete               // remove an object
	Manage               // make, remove and configure a bucket
)

// Rights say what a key may do. They are immutable once parsed.
type Rights struct {
	Mode   Mode    `json:"mode"`
	Grants []Grant `json:"grants,omitempty"` // of Custom only
}

// Grant gives access to the keys that begin with Prefix in one bucket of the key's own project.
type Grant struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
	Read   bool   `json:"read,omitempty"`
	Write  bool   `json:"write,omitempty"`
	Delete bool   `json:"delete,omitempty"`
}

// maxGrants bounds what is judged at every request.
const maxGrants = 100

// ParseRights decodes the spec of an order or of a credential strictly: unknown fields, grants
// that grant nothing and names that cannot be are Invalid faults. No spec at all means ReadWrite.
// The result is normalised: grants sorted, those of one bucket and prefix merged.
func ParseRights(spec json.RawMessage) (Rights, error) {
	if s := bytes.TrimSpace(spec); len(s) == 0 || string(s) == "null" {
		return Rights{Mode: ReadWrite}, nil
	}
	var r Rights
	d := json.NewDecoder(bytes.NewReader(spec))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Rights{}, fault.New(fault.Invalid, "the key's rights cannot be read: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Rights{}, fault.New(fault.Invalid, "the key's rights are followed by something else")
	}
	if err := r.check(); err != nil {
		return Rights{}, err
	}
	r.Grants = normalise(r.Grants)
	return r, nil
}

func (r Rights) check() error {
	switch {
	case r.Mode != ReadWrite && r.Mode != ReadOnly && r.Mode != Custom:
		return fault.New(fault.Invalid, "%.40q is not a mode of rights: use read-write, read or custom", string(r.Mode))
	case r.Mode != Custom && len(r.Grants) > 0:
		return fault.New(fault.Invalid, "grants go with mode custom only")
	case r.Mode == Custom && len(r.Grants) == 0:
		return fault.New(fault.Invalid, "mode custom needs at least one grant")
	case len(r.Grants) > maxGrants:
		return fault.New(fault.Limited, "a key holds at most %d grants, you asked for %d", maxGrants, len(r.Grants))
	}
	for _, g := range r.Grants {
		if err := g.check(); err != nil {
			return err
		}
	}
	return nil
}

func (g Grant) check() error {
	if err := bucket.CheckName(g.Bucket); err != nil {
		return err
	}
	if !g.Read && !g.Write && !g.Delete {
		return fault.New(fault.Invalid, "the grant on bucket %s grants nothing: give it read, write or delete", g.Bucket)
	}
	if len(g.Prefix) > 1024 || !utf8.ValidString(g.Prefix) || strings.ContainsRune(g.Prefix, 0) {
		return fault.New(fault.Invalid, "the prefix in bucket %s cannot begin an object's key: at most 1024 bytes of UTF-8", g.Bucket)
	}
	return nil
}

func normalise(grants []Grant) []Grant {
	slices.SortStableFunc(grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Prefix, b.Prefix))
	})
	var out []Grant
	for _, g := range grants {
		if n := len(out); n > 0 && out[n-1].Bucket == g.Bucket && out[n-1].Prefix == g.Prefix {
			last := &out[n-1]
			last.Read, last.Write, last.Delete = last.Read || g.Read, last.Write || g.Write, last.Delete || g.Delete
			continue
		}
		out = append(out, g)
	}
	return out
}

func (r Rights) encode() (json.RawMessage, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode rights: %w", err)
	}
	return text, nil
}

// Allows reports whether a may be done to key (for List: to the prefix key; for Manage: to the
// bucket) in one of the project's own buckets.
func (r Rights) Allows(a Action, bucket, key string) bool {
	switch r.Mode {
	case ReadWrite:
		return true
	case ReadOnly:
		return a == List || a == Read
	}
	for _, g := range r.Grants {
		if g.Bucket == bucket && strings.HasPrefix(key, g.Prefix) && g.allows(a) {
			return true
		}
	}
	return false
}

// Sees reports whether the key may know of the bucket at all.
func (r Rights) Sees(bucket string) bool {
	return r.Mode == ReadWrite || r.Mode == ReadOnly || slices.ContainsFunc(r.Grants, func(g Grant) bool { return g.Bucket == bucket })
}

func (g Grant) allows(a Action) bool {
	switch a {
	case List, Read:
		return g.Read
	case Write:
		return g.Write
	case Delete:
		return g.Delete
	}
	return false // buckets are managed by keys for the whole project only
}
