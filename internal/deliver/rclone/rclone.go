// Package rclone configures rclone (rclone.org): two remotes for one project, as lumio-conf makes
// them, one that keeps objects private and one that publishes what it uploads. It imports row 1.
package rclone

import (
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes the remotes NAME-private and NAME-public.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "rclone" }

// Title implements deliver.Target.
func (Target) Title() string { return "rclone" }

// Process implements deliver.Target: rclone reads AWS profiles, and so their credential_process.
func (Target) Process() bool { return true }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "~/.config/rclone/rclone.conf", string(deliver.SetSections(nil, remotes(a)...))
}

// Write implements deliver.Target.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	edits := []deliver.Edit{{Path: path(h), Apply: func(old []byte) ([]byte, error) {
		return deliver.SetSections(old, remotes(a)...), nil
	}}}
	if len(a.Process) > 0 {
		h.Path, a.Default = "", false // the profile stands where AWS programs look for it
		edits = append(edits, deliver.AWSProfile(h, a)...)
	}
	return edits, nil
}

// Remove implements deliver.Target. The AWS profile stays if there is one: others may use it.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: path(h), Apply: func(old []byte) ([]byte, error) {
		return deliver.RemoveSections(old, a.Name+"-private", a.Name+"-public"), nil
	}}}, nil
}

// Test implements deliver.Target.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	c := deliver.Command{
		Args: []string{"rclone", "--config", candidate[path(h)], "lsd", a.Name + "-private:", "--contimeout", "5s", "--timeout", "20s", "--retries", "1", "--low-level-retries", "1"},
	}
	if len(a.Process) > 0 {
		h.Path = ""
		c.Env = deliver.AWSEnv(h, candidate)
	}
	return c
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string { return "rclone lsd " + a.Name + "-private:" }

func path(h deliver.Home) string {
	if h.Path != "" {
		return h.Path
	}
	if p := h.Getenv("RCLONE_CONFIG"); p != "" {
		return p
	}
	if p := h.Getenv("XDG_CONFIG_HOME"); p != "" {
		return filepath.Join(p, "rclone", "rclone.conf")
	}
	return filepath.Join(h.Dir, ".config", "rclone", "rclone.conf")
}

func remotes(a deliver.Access) []deliver.Section {
	remote := func(suffix, acl string) deliver.Section {
		s := deliver.Section{Name: a.Name + suffix, Keys: []deliver.Key{
			{Name: "type", Value: "s3"},
			{Name: "provider", Value: "Other"},
			{Name: "env_auth", Value: "false"},
			{Name: "access_key_id", Value: a.Keys.AccessKeyID},
			{Name: "secret_access_key", Value: a.Keys.SecretAccessKey.Reveal()},
			{Name: "endpoint", Value: a.Endpoint},
			{Name: "region", Value: a.Region},
			{Name: "acl", Value: acl},
		}, Drop: []string{"profile"}}
		if len(a.Process) > 0 {
			s.Keys = append([]deliver.Key{
				{Name: "type", Value: "s3"},
				{Name: "provider", Value: "Other"},
				{Name: "env_auth", Value: "true"},
				{Name: "profile", Value: a.Name},
			}, s.Keys[5:]...)
			s.Drop = []string{"access_key_id", "secret_access_key"}
		}
		return s
	}
	return []deliver.Section{remote("-private", "private"), remote("-public", "public-read")}
}
