package proxycert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// DefaultPath returns where the proxy file of a user is: what X509_USER_PROXY says, else
// /tmp/x509up_uUID. TMPDIR is not asked, because no other tool does.
func DefaultPath(uid int, getenv func(string) string) string {
	if p := getenv("X509_USER_PROXY"); p != "" {
		return p
	}
	return "/tmp/x509up_u" + strconv.Itoa(uid)
}

// WriteFile puts data at path with mode 0600, complete or not at all: a reader sees the old file or
// the new one, also after a crash. A symbolic link at path is replaced and not followed, so that
// nobody who can write to the folder (/tmp) chooses which file is written.
func WriteFile(path string, data []byte) error {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, ".x509up-") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(folder) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// A FileError is a key or certificate file that others could read or change, or that belongs to
// somebody else.
type FileError struct {
	Path    string
	Problem string
	Fix     string // a shell command that mends it
}

// Error implements error.
func (e *FileError) Error() string { return e.Path + ": " + e.Problem }

// Hint says in a sentence what to do about it.
func (e *FileError) Hint() string { return "Run: " + e.Fix }

// CheckKeyFile refuses, with a *FileError, a file with a private key that is not the user's alone.
// Without modes it has the rules of the C tools: it belongs to uid, nobody else has any right to it
// and it is not executable. With modes it has exactly one of these: the Java tools ask for 0400 or
// 0600 of a key, and for 0600 of a PKCS#12 file and a proxy. A negative uid stands for any owner.
// Symbolic links are followed, because it is the file that counts.
func CheckKeyFile(path string, uid int, modes ...fs.FileMode) error {
	info, err := stat(path)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if len(modes) == 0 && mode&0o177 != 0 {
		return &FileError{Path: path, Fix: "chmod 400 " + quote(path),
			Problem: fmt.Sprintf("the private key has mode %#o: others than its owner may use it, or it is executable", mode)}
	}
	if len(modes) > 0 && !slices.Contains(modes, mode) {
		return &FileError{Path: path, Fix: fmt.Sprintf("chmod %o %s", modes[0], quote(path)),
			Problem: fmt.Sprintf("the private key has mode %#o; accepted are %#o", mode, modes)}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && uid >= 0 && int64(s.Uid) != int64(uid) {
		return &FileError{Path: path, Fix: fmt.Sprintf("chown %d %s", uid, quote(path)),
			Problem: fmt.Sprintf("the private key belongs to user %d, not to user %d", s.Uid, uid)}
	}
	return nil
}

// CheckCertFile refuses, with a *FileError, a certificate file that others than its owner can
// write to, or that is executable: the rules of the C tools.
func CheckCertFile(path string) error {
	info, err := stat(path)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o133 != 0 {
		return &FileError{Path: path, Fix: "chmod 644 " + quote(path),
			Problem: fmt.Sprintf("the certificate has mode %#o: others than its owner may change it, or it is executable", mode)}
	}
	return nil
}

// stat is os.Stat, but refuses what is no file.
func stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	return info, err
}

// quote makes path one word for a shell.
func quote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || strings.ContainsRune("'\"\\$`*?[]{}()<>|&;!#~", r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
