package dropin

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal is for runs that no person sits at.
var ErrNoTerminal = errors.New("there is no terminal")

// Terminal asks at the terminal that the run belongs to, wherever its streams lead, and does not
// show the answer. It returns when ctx ends, with the terminal as it was.
func Terminal(ctx context.Context, prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNoTerminal
	}
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, errors.Join(ErrNoTerminal, tty.Close())
	}
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	fmt.Fprint(tty, prompt)
	// A read cannot be interrupted: after Ctrl-C it ends with the program.
	go func() {
		text, err := term.ReadPassword(int(tty.Fd()))
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(tty)
		return a.text, errors.Join(a.err, tty.Close())
	case <-ctx.Done():
		fmt.Fprintln(tty)
		return nil, errors.Join(ctx.Err(), term.Restore(int(tty.Fd()), before))
	}
}
