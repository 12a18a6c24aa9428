package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// ballastSize is what the ballast file weighs, in bytes: room for tens of thousands of revocations.
const ballastSize = 16 << 20

// disk is the directory of an SQLite database. One process holds it; a ballast file in it can be
// thrown off when the disk is full, because stopping a key must not need free space.
type disk struct {
	lock    *os.File
	ballast string
	mu      sync.Mutex // held while the ballast is loaded or thrown
	// light is true while there is no ballast: then nothing new is issued.
	light atomic.Bool
}

// takeDisk makes dir if needed and locks it for this process, or tells which one has it.
func takeDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	// The lock goes when the process goes, however it dies. It is on the open file: children do
	// not inherit it.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock data directory: %w", err)
		}
		pid, _ := io.ReadAll(io.LimitReader(f, 20)) // for the message only
		return nil, fault.New(fault.Conflict, "another server (process %s) uses %s", strings.TrimSpace(string(pid)), dir).
			WithHint("stop it first, or give this one another data directory")
	}
	d := &disk{lock: f, ballast: filepath.Join(dir, "ballast")}
	d.load()
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil && !errors.Is(err, unix.ENOSPC) { // a full disk must not keep the server down
		return nil, errors.Join(fmt.Errorf("lock data directory: %w", err), d.release())
	}
	return d, nil
}

func (d *disk) release() error { return d.lock.Close() }

// load takes the ballast on board, if it is not there and leaves as much room again.
func (d *disk) load() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if info, err := os.Stat(d.ballast); err == nil && info.Size() == ballastSize {
		d.light.Store(false)
		return
	}
	d.light.Store(true)
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(d.ballast), &fs); err != nil || fs.Bavail < 2*ballastSize/uint64(fs.Bsize) { //nolint:gosec // block sizes are positive
		return
	}
	if writeZeros(d.ballast, ballastSize) != nil {
		os.Remove(d.ballast)
		return
	}
	d.light.Store(false)
}

// throw throws the ballast off.
func (d *disk) throw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.light.Store(true)
	os.Remove(d.ballast) // if it was gone already, a retry does no harm
}

// writeZeros writes real blocks: a sparse file would weigh nothing.
func writeZeros(path string, size int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for done := 0; done < size && err == nil; done += len(zeros) {
		_, err = f.Write(zeros)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// Revoke is Write for changes that take rights away: on a full disk they go through once the
// ballast is off.
func (db *DB) Revoke(ctx context.Context, do func(context.Context, *Tx) error) error {
	return db.despiteFullDisk(func() error { return db.Write(ctx, do) })
}

// despiteFullDisk does what must be possible on a full disk.
func (db *DB) despiteFullDisk(do func() error) error {
	err := do()
	if db.disk != nil && errors.Is(err, errDiskFull) {
		db.disk.throw()
		err = do()
	}
	return err
}

// RoomToIssue refuses new rights while the ballast is off: what room is left belongs to those who
// want to stop something.
func (db *DB) RoomToIssue() error {
	if db.disk == nil || !db.disk.light.Load() {
		return nil
	}
	return unavailable("the disk is full, so nothing new is issued", errDiskFull).WithHint("ask the operator to make room")
}

// Tidy takes the ballast on board again once there is room.
func (db *DB) Tidy() {
	if db.disk != nil {
		db.disk.load()
	}
}
