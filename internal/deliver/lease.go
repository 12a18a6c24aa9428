package deliver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
)

const (
	// holdAtMost bounds the work under a lease; abandonedAfter, longer, is when a waiter takes
	// over the lease of a process that died.
	holdAtMost     = 15 * time.Second
	abandonedAfter = 20 * time.Second
	pollEvery      = 25 * time.Millisecond
)

// Exclusive runs work while no other process that uses the same path does, on any machine that
// shares the file system: the lease is a file that only one can create (O_EXCL), which also holds
// on NFS, where flock may not. The end of ctx ends the waiting; work that has begun is not cut
// short by it, but by a context that ends after 15 seconds. A lease that has not changed hands
// while this process watched it for 20 seconds was left by a crash and is taken over; no clocks
// are compared.
func Exclusive(ctx context.Context, path string, work func(context.Context) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	host, _ := os.Hostname() // for people who find the file
	mine := fmt.Appendf(nil, "%s %d %s\n", host, os.Getpid(), rand.Text())
	var seen []byte
	var unchanged time.Duration // how long the same holder has been seen
	for {
		err := writeNew(path, mine)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		holder, err := os.ReadFile(path) //nolint:gosec // our own file
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case !bytes.Equal(holder, seen):
			seen, unchanged = holder, 0
		case unchanged > abandonedAfter:
			takeOver(path, seen, mine)
			continue
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "another process holds %s", path).WithCause(ctx.Err())
		case <-time.After(pollEvery):
			unchanged += pollEvery
		}
	}
	defer release(path, mine)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdAtMost)
	defer cancel()
	return work(ctx)
}

// release removes the lease unless a waiter has taken it over: this process may have been stopped
// for long.
func release(path string, mine []byte) {
	if found, err := os.ReadFile(path); err == nil && bytes.Equal(found, mine) { //nolint:gosec // our own file
		os.Remove(path)
	}
}

// takeOver removes the abandoned lease. It moves it aside first and looks again, because another
// waiter may have taken over in between: then its lease is put back.
func takeOver(path string, abandoned, mine []byte) {
	aside := path + "." + string(bytes.TrimSpace(mine[bytes.LastIndexByte(mine, ' ')+1:]))
	if os.Rename(path, aside) != nil {
		return
	}
	defer os.Remove(aside)
	if found, err := os.ReadFile(aside); err == nil && !bytes.Equal(found, abandoned) { //nolint:gosec // our own file
		_ = os.Link(aside, path)
	}
}
