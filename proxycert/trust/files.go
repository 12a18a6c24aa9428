package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// Limits on what is read. The grid's directories have some 1,000 files; lists of large authorities
// have some 10 MiB.
const (
	maxFiles = 20_000
	maxFile  = 64 << 20
)

// Names of files that matter: HASH.N and *.pem, HASH.rN, *.signing_policy, *.namespaces.
var (
	certificateFile = regexp.MustCompile(`^(?:([0-9a-f]{8})\.[0-9]{1,4}|.*\.pem)$`)
	crlFile         = regexp.MustCompile(`^([0-9a-f]{8})\.r[0-9]{1,4}$`)
	policyFile      = regexp.MustCompile(`^(?:([0-9a-f]{8})|.*)\.(?:signing_policy|namespaces)$`)
)

func isNamespaces(file string) bool { return strings.HasSuffix(file, ".namespaces") }

// Load reads a trust directory: certificates in HASH.N and *.pem, revocation lists in HASH.rN,
// *.signing_policy and *.namespaces. Which hash a file is named after does not matter for finding an
// authority. What cannot be read is one of Problems; an error is returned only if dir cannot be read
// or holds no authority.
func Load(dir string) (*Store, error) {
	files, _, err := readAll(dir, nil)
	if err != nil {
		return nil, err
	}
	return build(dir, files)
}

// A file is one of a trust directory, as it was when it was read.
type file struct {
	info    os.FileInfo
	content any   // what the last version held that could be read, nil if none could
	err     error // why the newest version could not be read
}

// readAll reads the files of dir that are not the same in old, and reports whether any changed. A
// file that cannot be read keeps the content of old.
func readAll(dir string, old map[string]file) (files map[string]file, changed bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, fmt.Errorf("read trust directory: %w", err)
	}
	if len(entries) > maxFiles {
		return nil, false, fmt.Errorf("read trust directory: %s has more than %d files", dir, maxFiles)
	}
	files = map[string]file{}
	for _, e := range entries {
		name := e.Name()
		parse := parser(name)
		if parse == nil {
			continue
		}
		path := filepath.Join(dir, name)
		before, had := old[name]
		info, err := os.Stat(path) // through links: hashed names often are such
		if err == nil && had && before.info != nil && same(before.info, info) {
			files[name] = before
			continue
		}
		changed = true
		f := file{info: info, err: plain(err)}
		if err == nil {
			f.content, f.err = readFile(path, info, parse)
		}
		if f.err != nil {
			f.content, f.err = before.content, fmt.Errorf("%s: %w", name, f.err)
		}
		files[name] = f
	}
	return files, changed || len(files) != len(old), nil
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// parser returns how to read a file of that name, nil if it is none of ours.
func parser(name string) func([]byte) (any, error) {
	switch {
	case certificateFile.MatchString(name):
		return func(b []byte) (any, error) { return keyfile.Certificates(b) }
	case crlFile.MatchString(name):
		return func(b []byte) (any, error) { return parseCRL(b) }
	case isNamespaces(name):
		return func(b []byte) (any, error) { return parseNamespaces(b) }
	case policyFile.MatchString(name):
		return func(b []byte) (any, error) { return parseSigningPolicy(b) }
	}
	return nil
}

func readFile(path string, info os.FileInfo, parse func([]byte) (any, error)) (any, error) {
	if !info.Mode().IsRegular() { // a pipe would block
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path) //nolint:gosec // in the operator's directory
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, plain(err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	content, err := parse(data)
	if err != nil {
		return nil, err
	}
	return content, nil
}

// plain takes the path off an error, which is told anyway.
func plain(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// build makes a store of files.
func build(dir string, files map[string]file) (*Store, error) {
	var src sources
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		if f.err != nil {
			problems = append(problems, f.err)
		}
		switch content := f.content.(type) {
		case []*x509.Certificate:
			for _, c := range content {
				src.cas = append(src.cas, source[*x509.Certificate]{value: c})
			}
		case *revocations:
			src.crls = append(src.crls, source[*revocations]{value: content, file: name, hash: hashOf(crlFile, name)})
		case []statement:
			src.policies = append(src.policies, source[[]statement]{value: content, file: name, hash: hashOf(policyFile, name)})
		case nil: // only that it is there counts
			if crlFile.MatchString(name) {
				src.crls = append(src.crls, source[*revocations]{file: name, hash: hashOf(crlFile, name)})
			} else if policyFile.MatchString(name) {
				src.policies = append(src.policies, source[[]statement]{file: name, hash: hashOf(policyFile, name)})
			}
		}
	}
	if len(src.cas) == 0 {
		return nil, errors.Join(append([]error{fmt.Errorf("trust directory %s holds no authority", dir)}, problems...)...)
	}
	return assemble(src, problems), nil
}

// hashOf returns the hash that a file is named after, "" if it is none.
func hashOf(pattern *regexp.Regexp, name string) string { return pattern.FindStringSubmatch(name)[1] }
