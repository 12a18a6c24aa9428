package proxycert_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/proxycert"
)

func TestDefaultPath(t *testing.T) {
	t.Setenv("TMPDIR", "/elsewhere") // no tool asks it
	for env, want := range map[string]string{"": "/tmp/x509up_u1234", "/home/ada/proxy": "/home/ada/proxy"} {
		t.Setenv("X509_USER_PROXY", env)
		if got := proxycert.DefaultPath(1234, os.Getenv); got != want {
			t.Errorf("X509_USER_PROXY=%q: %s", env, got)
		}
	}
}

func TestWriteFileReplacesAndNeverFollows(t *testing.T) {
	dir := t.TempDir()
	precious, path := filepath.Join(dir, "precious"), filepath.Join(dir, "x509up_u0")
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o644), os.Symlink(precious, path)); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"first", "second, and longer", "3"} {
		if err := proxycert.WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 || string(read(t, path)) != content {
			t.Errorf("%v, %v: %q", info.Mode(), err, read(t, path))
		}
	}
	if string(read(t, precious)) != "precious" {
		t.Error("the symbolic link was followed")
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := proxycert.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode() != 0o600 {
		t.Errorf("an old mode stays: %v", info.Mode())
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("the folder holds %v", files)
	}
}

func TestWriteFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := proxycert.WriteFile(filepath.Join(dir, "taken"), []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := proxycert.WriteFile(filepath.Join(dir, "absent", "file"), []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("the folder holds %v", files)
	}
}

// TestFileModes has the table of both tools; the fixes that it names must mend the file.
func TestFileModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "user's key.pem")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	me := os.Getuid()
	c := func() error { return proxycert.CheckKeyFile(path, me) }
	java := func() error { return proxycert.CheckKeyFile(path, me, 0o400, 0o600) }
	p12 := func() error { return proxycert.CheckKeyFile(path, me, 0o600) }
	cert := func() error { return proxycert.CheckCertFile(path) }
	for mode, good := range map[fs.FileMode][4]bool{ // C key, Java key, Java p12, C certificate
		0o400: {true, true, false, true},
		0o600: {true, true, true, true},
		0o200: {true, false, false, true},
		0o700: {false, false, false, false},
		0o500: {false, false, false, false},
		0o640: {false, false, false, true},
		0o644: {false, false, false, true},
		0o604: {false, false, false, true},
		0o664: {false, false, false, false},
		0o646: {false, false, false, false},
		0o755: {false, false, false, false},
	} {
		for i, check := range []func() error{c, java, p12, cert} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			err := check()
			if (err == nil) != good[i] {
				t.Errorf("%#o, check %d: %v", mode, i, err)
			}
			if err != nil {
				mend(t, err, check)
			}
		}
	}
}

func mend(t *testing.T, err error, check func() error) {
	t.Helper()
	e, ok := errors.AsType[*proxycert.FileError](err)
	if !ok || !strings.HasPrefix(e.Hint(), "Run: chmod ") || !strings.HasPrefix(e.Error(), e.Path+": the ") {
		t.Errorf("%v", err)
		return
	}
	if out, err := exec.Command("/bin/sh", "-c", e.Fix).CombinedOutput(); err != nil {
		t.Errorf("%s: %v %s", e.Fix, err, out)
	}
	if err := check(); err != nil {
		t.Errorf("after %s: %v", e.Fix, err)
	}
}

func TestFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "key"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(path, nil, 0o400), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[*proxycert.FileError](proxycert.CheckKeyFile(path, os.Getuid()+1))
	if !ok || !strings.HasPrefix(e.Fix, "chown ") {
		t.Errorf("another's key: %v", e)
	}
	if err := proxycert.CheckKeyFile(path, -1); err != nil {
		t.Errorf("whoever owns it: %v", err)
	}
	if err := proxycert.CheckKeyFile(link, os.Getuid()); err != nil {
		t.Errorf("through a link: %v", err)
	}
	for _, check := range []func(string) error{proxycert.CheckCertFile, func(p string) error { return proxycert.CheckKeyFile(p, -1) }} {
		if err := check(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
		if err := check(dir); err == nil {
			t.Error("a folder is taken for a file")
		}
	}
}
