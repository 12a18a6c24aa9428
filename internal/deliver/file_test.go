package deliver_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
)

var at = time.Date(2026, 11, 21, 14, 35, 0, 0, time.UTC)

func appendLine(line string) func([]byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) { return append(old, line...), nil }
}

func stage(t *testing.T, path, line string) *deliver.Staged {
	t.Helper()
	s, err := deliver.Stage(deliver.Edit{Path: path, Apply: appendLine(line)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func want(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%s holds %q (%v), want %q", path, got, err, content)
	}
	if i, err := os.Stat(path); err == nil && i.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o", path, i.Mode().Perm())
	}
}

func TestCommitKeepsOldContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "rclone.conf")
	s := stage(t, path, "a\n")
	want(t, s.Candidate, "a\n")
	if _, err := os.Stat(path); err == nil {
		t.Error("the file exists before Commit")
	}
	if backup, err := s.Commit(at); err != nil || backup != "" {
		t.Fatal(backup, err)
	}
	want(t, path, "a\n")

	for i, name := range []string{"rclone.conf.bak-20261121T1435", "rclone.conf.bak-20261121T1435-2"} {
		backup, err := stage(t, path, "b\n").Commit(at)
		if err != nil || filepath.Base(backup) != name {
			t.Fatalf("backup %d is %q (%v), want %s", i, backup, err, name)
		}
		want(t, backup, "a\n"+strings.Repeat("b\n", i))
	}
	if s := stage(t, path, ""); s.Changed() {
		t.Error("an edit that changes nothing counts as a change")
	} else if backup, err := s.Commit(at); err != nil || backup != "" {
		t.Error("a backup was made of an unchanged file", backup, err)
	}
	none := filepath.Join(filepath.Dir(path), "none")
	if _, err := stage(t, none, "").Commit(at); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("an empty file was made")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".lanyard-*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestUndo(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "fresh")
	if err := os.WriteFile(old, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{old, fresh} {
		s := stage(t, path, "b")
		if _, err := s.Commit(at); err != nil {
			t.Fatal(err)
		}
		if err := s.Undo(); err != nil {
			t.Fatal(err)
		}
	}
	want(t, old, "a")
	if _, err := os.Stat(fresh); err == nil {
		t.Error("a file that was not there is still there")
	}
}

func TestCommitRefusesToOverwriteOthersChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := stage(t, path, "b")
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(at); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
	want(t, path, "theirs")
}

func TestCommitIgnoresWhatTheClientWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	s := stage(t, path, "ours")
	if err := os.WriteFile(s.Candidate, []byte("the client's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(at); err != nil {
		t.Fatal(err)
	}
	want(t, path, "ours")
}

func TestLinksStayLinks(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles"), filepath.Join(dir, "s3cfg")
	if err := os.WriteFile(real, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if _, err := stage(t, link, "b").Commit(at); err != nil {
		t.Fatal(err)
	}
	want(t, real, "ab")
	if got, err := os.Readlink(link); err != nil || got != real {
		t.Errorf("the link is gone: %q %v", got, err)
	}
}

func TestFailedEditLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub")
	broken := errors.New("line 3 is not understood")
	_, err := deliver.Stage(deliver.Edit{Path: filepath.Join(dir, "f"), Apply: func([]byte) ([]byte, error) { return nil, broken }})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a directory was made for an edit that failed")
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "f")
	for _, text := range []string{"one", "", "two"} {
		if err := deliver.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want(t, path, text)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v (%v)", files, err)
	}
}

func TestAFileThatShallNotBeIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ours")
	remove := deliver.Edit{Path: path, Apply: func([]byte) ([]byte, error) { return nil, nil }}
	for _, there := range []bool{true, false} {
		if there {
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := deliver.Stage(remove)
		if err != nil {
			t.Fatal(err)
		}
		backup, err := s.Commit(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
		if err != nil || (backup != "") != there {
			t.Errorf("committed: %q, %v", backup, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
	}
}
