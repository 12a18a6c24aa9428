package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Interactive reports whether questions may be asked.
func (c *Console) Interactive() bool { return c.InTerminal && !c.NoInput }

// ReadLine reads one line of the input, without its end. It returns when ctx ends.
func (c *Console) ReadLine(ctx context.Context) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	// A read cannot be interrupted: after Ctrl-C it ends with the program.
	go func() {
		text, err := bufio.NewReader(io.LimitReader(c.In, 64<<10)).ReadString('\n')
		if err == io.EOF && text != "" {
			err = nil
		}
		got <- answer{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) {
			return "", Usage("the input ended before there was an answer")
		}
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Confirm asks the person to type word before something that cannot be undone. With --yes it does
// not ask; where it cannot ask, it refuses and names that flag.
func (c *Console) Confirm(ctx context.Context, why, word, verb string) error {
	if c.Yes {
		return nil
	}
	if !c.Interactive() {
		return Usage("%s", why).WithHint("to go on without being asked add --yes")
	}
	c.line(c.Err, Clean(sentence(why)))
	fmt.Fprintf(c.Err, "Type its name to %s it: ", verb)
	text, err := c.ReadLine(ctx)
	if err != nil {
		fmt.Fprintln(c.Err)
		return err
	}
	if strings.TrimSpace(text) != word {
		return Usage("that is not its name: nothing was changed")
	}
	return nil
}

// Unseen asks for something that is not shown while it is typed.
func (c *Console) Unseen(prompt string) (string, error) {
	fmt.Fprint(c.Err, prompt)
	text, err := c.ReadUnseen()
	fmt.Fprintln(c.Err)
	return string(text), err
}
