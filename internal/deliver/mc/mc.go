// Package mc configures mc, the MinIO client. It imports row 1.
package mc

import (
	"encoding/json"
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes an alias into ~/.mc/config.json (the file's version 10).
type Target struct{}

type alias struct {
	URL       string `json:"url"`
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
	API       string `json:"api"`
	Path      string `json:"path"`
}

// Name implements deliver.Target.
func (Target) Name() string { return "mc" }

// Title implements deliver.Target.
func (Target) Title() string { return "MinIO client" }

// Process implements deliver.Target: mc reads keys from its file only.
func (Target) Process() bool { return false }

// Snippet implements deliver.Target.
func (t Target) Snippet(a deliver.Access) (path, text string) {
	value, err := json.MarshalIndent(map[string]any{"version": "10", "aliases": map[string]alias{a.Name: entry(a)}}, "", "  ")
	if err != nil {
		panic(err) // strings always encode
	}
	return "~/.mc/config.json", string(value) + "\n"
}

// Write implements deliver.Target.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	value, err := json.MarshalIndent(entry(a), "    ", "  ")
	if err != nil {
		return nil, err
	}
	return []deliver.Edit{{Path: path(h), Apply: func(old []byte) ([]byte, error) {
		fresh, err := deliver.SetMember(old, value, "aliases", a.Name)
		if err != nil {
			return nil, err
		}
		return deliver.SetMember(fresh, json.RawMessage(`"10"`), "version")
	}}}, nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: path(h), Apply: func(old []byte) ([]byte, error) {
		return deliver.RemoveMember(old, "aliases", a.Name)
	}}}, nil
}

// Test implements deliver.Target.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"mc", "--config-dir", filepath.Dir(candidate[path(h)]), "--disable-pager", "ls", a.Name}}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string { return "mc ls " + a.Name }

func entry(a deliver.Access) alias {
	return alias{URL: a.Endpoint, AccessKey: a.Keys.AccessKeyID, SecretKey: a.Keys.SecretAccessKey.Reveal(), API: "S3v4", Path: "on"}
}

func path(h deliver.Home) string {
	if h.Path != "" {
		return h.Path
	}
	if p := h.Getenv("MC_CONFIG_DIR"); p != "" {
		return filepath.Join(p, "config.json")
	}
	return filepath.Join(h.Dir, ".mc", "config.json")
}
