package vomses

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The limits of a directory of vomses files.
const (
	maxFiles = 1000
	maxDepth = 4
)

const system = "/etc/vomses"

// SearchPathC returns where the C client looks for vomses files: in those that are given
// (-vomses), to which VOMS_USERCONF adds; without either, in the person's own file, which is
// .voms/vomses or else .glite/vomses below home, and in /etc/vomses. Paths that are not given are
// left out if nothing is there.
func SearchPathC(given []string, home string, getenv func(string) string) []string {
	paths := given
	if p := getenv("VOMS_USERCONF"); p != "" {
		paths = append(paths[:len(paths):len(paths)], p)
	}
	if len(paths) > 0 {
		return paths
	}
	own := there(filepath.Join(home, ".voms", "vomses"), filepath.Join(home, ".glite", "vomses"))
	return append(own[:min(len(own), 1)], there(system)...)
}

// SearchPathJava returns where the Java client looks for vomses files: in those that are given
// (--vomses); without any, in /etc/vomses, .glite/vomses and .voms/vomses below home. Paths that are
// not given are left out if nothing is there.
func SearchPathJava(given []string, home string) []string {
	if len(given) > 0 {
		return given
	}
	return there(system, filepath.Join(home, ".glite", "vomses"), filepath.Join(home, ".voms", "vomses"))
}

// SearchPath returns where a program looks that is bound to neither: in those that are given;
// else where VOMS_USERCONF says; else in all places of both clients, the person's own first.
func SearchPath(given []string, home string, getenv func(string) string) []string {
	if len(given) > 0 {
		return given
	}
	if p := getenv("VOMS_USERCONF"); p != "" {
		return []string{p}
	}
	return there(filepath.Join(home, ".voms", "vomses"), filepath.Join(home, ".glite", "vomses"), system)
}

// there returns the paths at which there is something.
func there(paths ...string) []string {
	var found []string
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			found = append(found, p)
		}
	}
	return found
}

// Load reads the vomses files at paths. A path may be a directory: then all files in it and
// below count, in the order of their names. The first line that is wrong stops it, as in both
// clients: the error is a *Error, or an *fs.PathError where a file cannot be read.
func Load(paths []string) ([]Server, error) {
	var l loader
	for _, p := range paths {
		if err := l.load(p, 0); err != nil {
			return nil, err
		}
	}
	return l.servers, nil
}

type loader struct {
	servers []Server
	files   int
}

func (l *loader) load(path string, depth int) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case depth > 0 && !info.IsDir() && !info.Mode().IsRegular():
		return nil // nobody writes to the other end of a pipe
	case !info.IsDir():
		return l.file(path)
	case depth == maxDepth:
		return &Error{Path: path, Reason: fmt.Sprintf("directories stand more than %d deep", maxDepth)}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := l.load(filepath.Join(path, e.Name()), depth+1)
		// A link to nowhere and a file that somebody has just removed say nothing about servers.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *loader) file(path string) error {
	if l.files++; l.files > maxFiles {
		return &Error{Path: path, Reason: fmt.Sprintf("there are more than %d files", maxFiles)}
	}
	f, err := os.Open(path) //nolint:gosec // who runs the program names it
	if err != nil {
		return err
	}
	defer f.Close()
	// A pipe or device has no end.
	data, err := io.ReadAll(io.LimitReader(f, maxVomses+1))
	if err != nil {
		return err
	}
	found, err := Parse(data)
	if wrong, ok := errors.AsType[*Error](err); ok {
		wrong.Path = path
		return wrong
	}
	if len(l.servers)+len(found) > maxServers {
		return &Error{Path: path, Reason: fmt.Sprintf("there are more than %d servers", maxServers)}
	}
	l.servers = append(l.servers, found...)
	return nil
}
