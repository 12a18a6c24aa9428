package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
)

// A peer is a server under measurement.
type peer struct {
	name      string
	target    target
	processes []process.Process // all whose work counts

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
	p.processes = []process.Process{{Name: name, PID: p.cmd.Process.Pid}}
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
		d, err := x.CPU()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (p *peer) rss(line string) (sum int64, err error) {
	for _, x := range p.processes {
		n, err := x.Memory(line)
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
