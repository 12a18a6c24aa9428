// Package s3cmd configures s3cmd (s3tools.org). It imports row 1.
package s3cmd

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes ~/.s3cfg-NAME, and ~/.s3cfg too where it shall be the default.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "s3cmd" }

// Title implements deliver.Target.
func (Target) Title() string { return "s3cmd" }

// Process implements deliver.Target: s3cmd reads keys from its file only.
func (Target) Process() bool { return false }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "~/.s3cfg-" + a.Name, string(deliver.SetSections(nil, section(a.Name, a)))
}

// Write implements deliver.Target. s3cmd reads one section, whatever its name, so the keys go into
// the first that there is.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	set := func(old []byte) ([]byte, error) {
		return deliver.SetSections(old, section(deliver.FirstSection(old, a.Name), a)), nil
	}
	edits := []deliver.Edit{{Path: path(h, a), Apply: set}}
	if a.Default && h.Path == "" {
		edits = append(edits, deliver.Edit{Path: defaultPath(h), Apply: set})
	}
	return edits, nil
}

// Remove implements deliver.Target. A file that holds nothing else goes.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	remove := func(old []byte) ([]byte, error) {
		if rest := deliver.RemoveSections(old, a.Name); len(bytes.TrimSpace(rest)) > 0 {
			return rest, nil
		}
		return nil, nil
	}
	edits := []deliver.Edit{{Path: path(h, a), Apply: remove}}
	if h.Path == "" {
		edits = append(edits, deliver.Edit{Path: defaultPath(h), Apply: remove})
	}
	return edits, nil
}

// Test implements deliver.Target.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"s3cmd", "-c", candidate[path(h, a)], "ls"}}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	if a.Default {
		return "s3cmd ls"
	}
	return "s3cmd -c ~/.s3cfg-" + a.Name + " ls"
}

func path(h deliver.Home, a deliver.Access) string {
	if h.Path != "" {
		return h.Path
	}
	return filepath.Join(h.Dir, ".s3cfg-"+a.Name)
}

func defaultPath(h deliver.Home) string {
	if p := h.Getenv("S3CMD_CONFIG"); p != "" {
		return p
	}
	return filepath.Join(h.Dir, ".s3cfg")
}

func section(name string, a deliver.Access) deliver.Section {
	scheme, host, _ := strings.Cut(a.Endpoint, "://")
	https := "False"
	if scheme == "https" {
		https = "True"
	}
	return deliver.Section{Name: name, Keys: []deliver.Key{
		{Name: "access_key", Value: a.Keys.AccessKeyID},
		{Name: "secret_key", Value: a.Keys.SecretAccessKey.Reveal()},
		{Name: "host_base", Value: host},
		{Name: "host_bucket", Value: host}, // without %(bucket)s: path style
		{Name: "bucket_location", Value: a.Region},
		{Name: "use_https", Value: https},
		{Name: "signurl_use_https", Value: https},
		{Name: "signature_v2", Value: "False"},
		{Name: "human_readable_sizes", Value: "True"},
		{Name: "multipart_chunk_size_mb", Value: "15"},
	}}
}
