package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a child of ours, or a child of one.
type process struct {
	name string
	pid  int
}

// tick is the unit of CPU time in /proc (USER_HZ, which Linux has fixed for programs).
const tick = 10 * time.Millisecond

// cpu returns the CPU time that the process has used in user and kernel mode (proc(5), stat).
func (p process) cpu() (time.Duration, error) {
	f, err := p.stat()
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read", p.pid)
	}
	return time.Duration(user+system) * tick, nil
}

// stat returns the fields of /proc/PID/stat from the third on, which follow the name.
func (p process) stat() ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return nil, fmt.Errorf("%s has ended: %w", p.name, err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 13 {
		return nil, fmt.Errorf("/proc/%d/stat cannot be read", p.pid)
	}
	return f, nil
}

// memory returns a line of /proc/PID/status in bytes: "VmRSS" or "VmHWM".
func (p process) memory(line string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, fmt.Errorf("%s has ended: %w", p.name, err)
	}
	for l := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(l, ":"); name == line {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", p.pid, line)
}

// child finds the one child process of p.
func (p process) child(name string) (process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return process{}, err
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		c := process{name, pid}
		if f, err := c.stat(); err == nil && f[1] == strconv.Itoa(p.pid) {
			return c, nil
		}
	}
	return process{}, fmt.Errorf("%s has no child", p.name)
}

// A peer is a server under measurement.
type peer struct {
	name      string
	target    target
	processes []process // all whose work counts

	cmd   *exec.Cmd
	stdin io.Closer
	log   *bytes.Buffer
}

// start runs a program whose end comes with ours. Its standard input gets the text and stays open.
func start(name, program string, args, env []string, stdin []byte) (*peer, error) {
	p := &peer{name: name, log: new(bytes.Buffer)}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = in
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.processes = []process{{name, p.cmd.Process.Pid}}
	if _, err := in.Write(stdin); err != nil {
		return nil, p.broken(err)
	}
	return p, nil
}

// broken stops a server that did not come up, and tells what it said.
func (p *peer) broken(err error) error {
	_ = p.Close()
	return fmt.Errorf("%w\n%s", err, p.log)
}

// Close stops the server.
func (p *peer) Close() error {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("%s ended with %w\n%s", p.name, err, p.log)
	}
	return nil
}

// cpu returns the CPU time used so far, by process.
func (p *peer) cpu() ([]time.Duration, error) {
	var all []time.Duration
	for _, x := range p.processes {
		d, err := x.cpu()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (p *peer) rss(line string) (sum int64, err error) {
	for _, x := range p.processes {
		n, err := x.memory(line)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// peakRSS is the sum of the largest sizes that the processes ever had.
func (p *peer) peakRSS() (int64, error) { return p.rss("VmHWM") }

// settledRSS is the resident size of a server that has just started and was asked nothing.
func settledRSS(ctx context.Context, p *peer) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(2 * time.Second):
		return p.rss("VmRSS")
	}
}

// await polls until f succeeds: for programs that cannot tell when they are ready.
func await(ctx context.Context, f func() error) error {
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
