package gridproxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// Destroy overwrites the proxy file with zeros and removes it. Path empty: where Init would write
// it. Zeros are a courtesy: file systems and disks that copy on write may keep the old bytes.
func Destroy(c Config, path string) error {
	path = ProxyPath(c, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the person names it
	if err != nil {
		e := &Error{Reason: NoProxy, Path: path, Fault: fault.New(fault.NotFound, "there is no proxy file %s", path).WithCause(err)}
		if !errors.Is(err, fs.ErrNotExist) {
			e = unreadable(path, err)
		}
		return e
	}
	err = errors.Join(zero(f), f.Close(), os.Remove(path))
	if err != nil {
		return &Error{Reason: NotWritable, Path: path,
			Fault: fault.New(fault.Denied, "%s is not destroyed: %v", path, err).WithHint("remove it by hand").WithCause(err)}
	}
	return nil
}

// zero overwrites a regular file.
func zero(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is no regular file")
	}
	if _, err := io.CopyN(f, zeros{}, info.Size()); err != nil {
		return err
	}
	return f.Sync()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
