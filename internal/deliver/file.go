package deliver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// A Staged file waits beside the one that it shall replace, so that the client that reads it can
// be tried on it first. It has a directory of its own (0700), because some clients know their
// file by its name. End it with Commit or Discard.
type Staged struct {
	// Path is the file to replace, with symbolic links followed: a link stays a link.
	Path string
	// Candidate is the new content's place until Commit.
	Candidate string
	// Old is the content that Path had; nil if there was no file.
	Old []byte
	new []byte
}

// Read returns the content of path with symbolic links followed, and nil if there is no file.
func Read(path string) (real string, content []byte, err error) {
	real = path
	if r, err := filepath.EvalSymlinks(path); err == nil {
		real = r
	} else if !errors.Is(err, fs.ErrNotExist) {
		return path, nil, fmt.Errorf("follow %s: %w", path, err)
	}
	if content, err = os.ReadFile(real); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the person chose the file
		return real, nil, nil
	}
	if content == nil && err == nil {
		content = []byte{}
	}
	return real, content, err
}

// Stage runs the edit on the file's present content and puts the result beside it, 0600, in a new
// directory. Nothing that anybody reads has changed yet.
func Stage(e Edit) (*Staged, error) {
	real, old, err := Read(e.Path)
	if err != nil {
		return nil, err
	}
	s := &Staged{Path: real, Old: old}
	if s.new, err = e.Apply(bytes.Clone(old)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(real), 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(real), ".lanyard-")
	if err != nil {
		return nil, err
	}
	s.Candidate = filepath.Join(dir, filepath.Base(real))
	if err := writeNew(s.Candidate, s.new); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// New is the content that Commit will put in place.
func (s *Staged) New() []byte { return s.new }

// Changed reports whether Commit has anything to do. An empty file is not made where there is none.
func (s *Staged) Changed() bool {
	return !bytes.Equal(s.Old, s.new) || s.Old != nil && s.new == nil
}

// Commit replaces the file in one step, so that a reader sees the old content or the new. The old
// content is first kept as NAME.bak-YYYYMMDDTHHMM (0600), in the zone of now; its path is
// returned, "" if there was none. If somebody else has changed the file since Stage, nothing is
// replaced and the answer is a Conflict fault.
func (s *Staged) Commit(now time.Time) (backup string, err error) {
	defer s.Discard()
	if !s.Changed() {
		return "", nil
	}
	_, present, err := Read(s.Path)
	if err != nil {
		return "", err
	}
	if (present == nil) != (s.Old == nil) || !bytes.Equal(present, s.Old) {
		return "", fault.New(fault.Conflict, "%s was changed by another program meanwhile", s.Path).WithHint("run the command again")
	}
	// The client that was tried may have written into its candidate; what was edited counts.
	if err := os.Remove(s.Candidate); err != nil {
		return "", err
	}
	if err := writeNew(s.Candidate, s.new); err != nil {
		return "", err
	}
	if s.Old != nil {
		if backup, err = keep(s.Path+".bak-"+now.Format("20060102T1504"), s.Old); err != nil {
			return "", err
		}
	}
	if s.new == nil {
		err = os.Remove(s.Path)
	} else {
		err = os.Rename(s.Candidate, s.Path)
	}
	if err != nil {
		return backup, err
	}
	return backup, syncDir(filepath.Dir(s.Path))
}

// Undo puts the old content back after Commit, because a file that belongs to this one could not
// be replaced.
func (s *Staged) Undo() error {
	switch {
	case !s.Changed():
		return nil
	case s.Old == nil:
		return os.Remove(s.Path)
	}
	return Replace(s.Path, s.Old)
}

// Discard removes the candidate and what a client may have put beside it.
func (s *Staged) Discard() { os.RemoveAll(filepath.Dir(s.Candidate)) }

// Replace puts content at path in one step, 0600, making its directory (0700) if need be.
func Replace(path string, content []byte) error {
	s, err := Stage(Edit{Path: path, Apply: func([]byte) ([]byte, error) { return content, nil }})
	if err != nil {
		return err
	}
	defer s.Discard()
	if err := os.Rename(s.Candidate, s.Path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.Path))
}

// keep writes content to the first name that is free: name, name-2, name-3 …
func keep(name string, content []byte) (string, error) {
	for n, free := 2, name; ; n++ {
		err := writeNew(free, content)
		if err == nil || !errors.Is(err, fs.ErrExist) || n > 99 {
			return free, err
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// writeNew makes a file that did not exist, 0600, and has it on disk when it returns.
func writeNew(name string, content []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the person chose the file
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(name)
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes a rename in dir last. File systems that cannot do this are not an error.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the person chose the file
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
