package protocol

import (
	"bufio"
	"errors"
	"io"
)

// Form is one of the two ways to write a request.
type Form int

const (
	REST   Form = iota // GET /generate-ac
	Legacy             // one XML document
)

// Incoming is a request as an authority receives it.
type Incoming struct {
	Request
	Form      Form
	UserAgent string   // of the REST form
	Warnings  []string // what in the request was not understood and is ignored
}

// ReadRequest reads one request in either form from a connection.
func ReadRequest(r *bufio.Reader) (Incoming, error) { return Incoming{}, errors.New("not written yet") }

// WriteAnswer writes the answer to in, or the refusal if err is not nil.
func WriteAnswer(w io.Writer, in Incoming, a Answer, err error) error { return errors.New("not written yet") }
