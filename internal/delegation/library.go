package delegation

import (
	"encoding/json"
	"errors"
	"time"
)

// Library is the named requests ("profiles") and templates that requests can include. The zero
// Library has none.
type Library struct{ groups map[string]Group }

// Group is what an operator defines under one name. The texts are JSON: a profile is a partial
// request, the others are the value of its field.
type Group struct {
	Profiles, Capabilities, Restrictions, Rotation map[string]json.RawMessage
}

// Template is one of a Library, for reading.
type Template struct {
	ID, Name string
	// Payload is JSON, with everything that it includes and with times as they are now.
	Payload json.RawMessage
}

// The sections of a group.
const (
	SectionProfiles     = "profiles"
	SectionCapabilities = "capabilities"
	SectionRestrictions = "restrictions"
	SectionRotation     = "rotation"
)

// NewLibrary checks groups and adds those that every mytoken server has, under the name "_".
func NewLibrary(groups map[string]Group) (Library, error) {
	return Library{}, errors.New("not written yet")
}

// Groups are the names of the operator's groups, sorted.
func (l Library) Groups() []string { return nil }

// List returns a section of a group, sorted by name; false if there is no such group or section.
func (l Library) List(group, section string, now time.Time) ([]Template, bool) { return nil, false }
