package console

import (
	"fmt"
	"sync"
	"time"
)

const (
	waitShown   = 300 * time.Millisecond // before anything is drawn
	waitCounted = 3 * time.Second        // before the time is drawn too
	waitDrawn   = 100 * time.Millisecond
)

var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// waiting is the one line that may be drawn again and again.
type waiting struct {
	mu    sync.Mutex
	busy  bool
	erase func() // takes the line off the screen; nil if there is none
}

// pause takes the line away before something else is written.
func (w *waiting) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.erase != nil {
		w.erase()
		w.erase = nil
	}
}

// Wait draws, on a terminal, that something takes time: after 300 ms a spinner, after 3 s the time
// too. Call stop when it is over. A wait within a wait draws nothing.
func (c *Console) Wait(label string) (stop func()) {
	w := &c.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy || !c.ErrTerminal || c.Quiet || c.Debug || c.Getenv("TERM") == "dumb" {
		return func() {}
	}
	w.busy = true
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c.draw(label, end)
	}()
	return func() {
		close(end)
		<-ended
		w.pause()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.busy = false
	}
}

func (c *Console) draw(label string, end <-chan struct{}) {
	if !c.Unicode() {
		label = ascii.Replace(label)
	}
	tick := time.NewTicker(waitDrawn)
	defer tick.Stop()
	var elapsed time.Duration
	for n := 0; ; n++ {
		select {
		case <-end:
			return
		case <-tick.C:
			elapsed += waitDrawn
		}
		if elapsed < waitShown {
			continue
		}
		text := label
		if elapsed >= waitCounted {
			text += fmt.Sprintf(" %02d:%02d", int(elapsed.Minutes()), int(elapsed.Seconds())%60)
		}
		if c.Unicode() {
			text = string(frames[n%len(frames)]) + " " + text
		}
		c.waiting.mu.Lock()
		fmt.Fprintf(c.Err, "\r%s\x1b[K", text)
		c.waiting.erase = func() { fmt.Fprint(c.Err, "\r\x1b[K") }
		c.waiting.mu.Unlock()
	}
}
