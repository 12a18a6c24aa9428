package protocol

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// The limits of what a server may answer.
const (
	maxAnswer   = 1 << 20 // bytes; an attribute certificate with 200 FQANs has 25,000
	maxMessage  = 4096    // bytes of one sentence
	maxMessages = 100
)

// ReadAnswer reads what a server answers to a request in the given form, to the end of r but no
// more than 1 MiB. The error is an *Error if the server refuses; any other one says in words why
// this is no answer, or is r's.
//
// It understands the C server (old and new), which sends an attribute certificate that comes with
// a warning as an error of HTTP, and VOMS-AA, which sends refusals as a success.
func ReadAnswer(r io.Reader, form Form) (Answer, error) {
	if form == Legacy {
		body, err := all(r)
		if err != nil {
			return Answer{}, err
		}
		return parseAnswer(body, 0)
	}
	response, err := http.ReadResponse(bufio.NewReader(io.LimitReader(r, maxAnswer+maxHead)), nil)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Answer{}, errClosed
	case err != nil:
		return Answer{}, broken(err, "it does not answer as a web server does")
	}
	defer response.Body.Close()
	body, err := all(response.Body)
	if err != nil {
		return Answer{}, err
	}
	code := response.StatusCode
	if code/100 == 3 {
		return Answer{}, fmt.Errorf("it points to another address, which is not followed (%d)", code)
	}
	if code/100 != 2 && !bytes.Contains(body, []byte("<voms")) {
		return Answer{}, fmt.Errorf("it answers %s", strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code))))
	}
	return parseAnswer(body, code)
}

// errClosed is the Debian 12 C server's whole answer to REST.
var errClosed = errors.New("it closed the connection without an answer")

// broken says what a failure to read means, unless the network is at fault.
func broken(err error, text string) error {
	if _, network := errors.AsType[*net.OpError](err); network {
		return err
	}
	return ours(err, "%s", text)
}

func all(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	switch {
	case err != nil:
		return nil, broken(err, "its answer breaks off")
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("its answer is larger than %d bytes", maxAnswer)
	case len(body) == 0:
		return nil, errClosed
	}
	return body, nil
}

// document is an answer of either form, <voms> or <vomsans>.
type document struct {
	XMLName  xml.Name
	AC       string   `xml:"ac"`
	Bits     string   `xml:"bitstr"`
	Warnings []string `xml:"warning"`
	Errors   []struct {
		Code    string `xml:"code"` // REST
		Message string `xml:"message"`
		Items   []struct {
			Number  string `xml:"number"`
			Message string `xml:"message"`
		} `xml:"item"` // XML
	} `xml:"error"`
}

// parseAnswer reads the document. A status of 0 means that there is none.
func parseAnswer(body []byte, code int) (Answer, error) {
	var doc document
	if err := unmarshal(body, &doc); err != nil {
		return Answer{}, ours(err, "its answer cannot be read: %v", err)
	}
	if name := doc.XMLName.Local; name != "voms" && name != "vomsans" {
		return Answer{}, errors.New("its answer is not one of an attribute authority")
	}
	var answer Answer
	for _, w := range doc.Warnings {
		answer.warn(w)
	}
	if refusal := doc.refusal(&answer); refusal != nil {
		refusal.HTTP = code
		return answer, refusal
	}
	if doc.Bits != "" {
		list, err := decode(doc.Bits, looksLikeList)
		if err != nil {
			return answer, fmt.Errorf("the list in its answer %w", err)
		}
		for name := range strings.Lines(string(list)) {
			if name = sentence(name); name != "" && len(answer.List) < maxAnswer/maxName {
				answer.List = append(answer.List, name)
			}
		}
		return answer, nil
	}
	ac, err := decode(doc.AC, looksLikeAC)
	switch {
	case strings.TrimSpace(doc.AC) == "":
		return answer, errors.New("its answer has no attribute certificate and no reason why")
	case err != nil:
		return answer, fmt.Errorf("the attribute certificate in its answer %w", err)
	case !looksLikeAC(ac):
		return answer, errors.New("its answer has something else in place of an attribute certificate")
	}
	answer.AC = ac
	return answer, nil
}

// refusal returns what the document's errors say; items with low numbers are warnings.
func (d document) refusal(answer *Answer) *Error {
	var refusal *Error
	add := func(code int, message string) {
		switch {
		case refusal == nil:
			refusal = NewError(code, "%s", message)
		case len(refusal.Message) < maxMessage && message != "":
			refusal.Message += "\n" + message
		}
	}
	for _, e := range d.Errors {
		if len(e.Items) == 0 {
			add(number(e.Code), message(e.Message))
		}
		for _, i := range e.Items {
			if n := number(i.Number); n < firstError {
				answer.warn(i.Message)
			} else {
				add(n, message(i.Message))
			}
		}
	}
	if refusal != nil && refusal.Message == "" {
		refusal.Message = "the server gives no reason"
	}
	return refusal
}

// number reads a code, which the C server writes as a word and VOMS-AA as a number.
func number(code string) int {
	code = strings.TrimSpace(code)
	if n, err := strconv.ParseUint(code, 10, 16); err == nil {
		return int(n)
	}
	for _, n := range []int{NoSuchUser, SuspendedUser, BadRequest} {
		if codes[n].name == code {
			return n
		}
	}
	return InternalError
}

func (a *Answer) warn(text string) {
	if text = sentence(text); text != "" && len(a.Warnings) < maxMessages {
		a.Warnings = append(a.Warnings, text)
	}
}

// message makes a server's text fit for a terminal: it may have several lines, but nothing that
// moves the cursor.
func message(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}

// sentence is message in one line.
func sentence(text string) string { return strings.Join(strings.Fields(message(text)), " ") }

// unmarshal parses a document that a stranger sent. Its caller has bounded it; entities other than
// XML's own are an error of the decoder, so that nothing grows.
func unmarshal(text []byte, into any) error {
	// Servers put whatever their database holds into documents that say US-ASCII.
	d := xml.NewDecoder(bytes.NewReader(bytes.ToValidUTF8(text, []byte("?"))))
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "us-ascii", "ascii", "iso-8859-1":
			return r, nil
		}
		return nil, fmt.Errorf("the character set %q is not known", shorten(charset))
	}
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("it is no XML")
	}
	return err
}
