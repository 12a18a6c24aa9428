// Package process measures what a server costs, and waits until it serves.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Process is a child of ours, or a child of one.
type Process struct {
	Name string
	PID  int
}

// tick is the unit of CPU time in /proc (USER_HZ, which Linux has fixed for programs).
const tick = 10 * time.Millisecond

// CPU returns the CPU time that the process has used in user and kernel mode (proc(5), stat).
func (p Process) CPU() (time.Duration, error) {
	f, err := p.stat()
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read", p.PID)
	}
	return time.Duration(user+system) * tick, nil
}

// stat returns the fields of /proc/PID/stat from the third on, which follow the name.
func (p Process) stat() ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		return nil, fmt.Errorf("%s has ended: %w", p.Name, err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 13 {
		return nil, fmt.Errorf("/proc/%d/stat cannot be read", p.PID)
	}
	return f, nil
}

// Memory returns a line of /proc/PID/status in bytes: "VmRSS" or "VmHWM".
func (p Process) Memory(line string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, fmt.Errorf("%s has ended: %w", p.Name, err)
	}
	for l := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(l, ":"); name == line {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", p.PID, line)
}

// Child finds the one child process of p.
func (p Process) Child(name string) (Process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return Process{}, err
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		c := Process{name, pid}
		if f, err := c.stat(); err == nil && f[1] == strconv.Itoa(p.PID) {
			return c, nil
		}
	}
	return Process{}, fmt.Errorf("%s has no child", p.Name)
}

// Await polls until f succeeds: for programs that cannot tell when they are ready.
func Await(ctx context.Context, f func() error) error {
	const patience, pause = 30 * time.Second, 50 * time.Millisecond
	for end := time.Now().Add(patience); ; {
		err := f()
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Ready waits, as Await does, until a GET of url is answered with 200.
func Ready(ctx context.Context, url string) error {
	return Await(ctx, func() error {
		r, err := http.Get(url)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return errors.New(r.Status)
		}
		return nil
	})
}

// Ports returns n ports of the loopback address that were free a moment ago.
func Ports(ctx context.Context, n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at the end, so that none is given twice
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
