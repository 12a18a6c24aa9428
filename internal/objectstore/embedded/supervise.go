package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	firstPause = 100 * time.Millisecond // before a restart; twice as long after each failure
	longPause  = 10 * time.Second
)

// Run keeps the child running until ctx ends, and then lets it finish the requests in flight for a
// while. A child that has never come up is an error, because waiting will not help; one that dies
// later is restarted for ever.
func (e *Engine) Run(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		served, err := e.runChild(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if !e.everReady() {
			return fmt.Errorf("start the object store engine: %w", err)
		}
		if served {
			pause = firstPause
		}
		e.log.ErrorContext(ctx, "object store engine ended", "err", err, "restart_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (e *Engine) everReady() bool {
	select {
	case <-e.ready:
		return true
	default:
		return false
	}
}

// runChild runs one child to its end. served tells whether it came up.
func (e *Engine) runChild(ctx context.Context) (served bool, err error) {
	// When the thread that started the child ends, the kernel takes that for our own death.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, e.program, Command) //nolint:gosec // our own binary
	cmd.Env = []string{}                                // what is in ours is not for it
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	up := sync.OnceFunc(func() {
		served = true // read after Wait, which waits for this writer
		if !e.everReady() {
			close(e.ready)
		}
		e.log.InfoContext(ctx, "object store engine serves", "pid", cmd.Process.Pid)
	})
	cmd.Stdout = writerFunc(func([]byte) { up() })
	cmd.Stderr = &lineLog{ctx: ctx, log: e.log}
	cmd.Cancel = stdin.Close // asks the child to stop
	cmd.WaitDelay = 2*drainTime + 5*time.Second
	if err := cmd.Start(); err != nil {
		return false, err
	}
	if err := json.NewEncoder(stdin).Encode(e.setup); err != nil {
		_ = stdin.Close() // it is dead or dies of this, and Wait knows more
	}
	err = cmd.Wait()
	return served, err
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// lineLog logs what the child writes, line by line.
type lineLog struct {
	ctx  context.Context
	log  *slog.Logger
	rest []byte
}

const maxLine = 4 << 10

func (l *lineLog) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok && len(line) < maxLine {
			return len(p), nil
		}
		l.rest = append(l.rest[:0], rest...)
		l.log.WarnContext(l.ctx, "object store engine says", "line", string(line))
	}
}
