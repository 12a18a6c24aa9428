package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lanyardhq/lanyard/internal/config"
)

// FuzzCheck holds that no file, however broken, does more than yield mistakes.
func FuzzCheck(f *testing.F) {
	seeds, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range append(seeds, "../../docs/lanyard.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "lanyard.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, mistakes := config.Check(file, dir)
		for _, m := range mistakes {
			if m.Text == "" || m.File != file || m.Line < 0 || m.Line > 0 && m.Column < 1 {
				t.Errorf("a mistake that helps nobody: %+v", m)
			}
		}
	})
}
