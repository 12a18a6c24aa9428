package protocol

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The limits of what a stranger may send.
const (
	maxHead = 8 << 10  // bytes of a REST request
	maxXML  = 64 << 10 // bytes of an XML request
)

// Incoming is a request as an authority receives it.
type Incoming struct {
	Request
	Form      Form
	UserAgent string   // what a REST client calls itself
	Warnings  []string // what in the request is not understood and ignored; WriteAnswer tells it
}

// ReadRequest reads one request in either form and no more than 64 KiB. The connection need not
// end behind it. An error of type *Error means that a request came which cannot be answered
// otherwise; WriteAnswer can then still tell it to the client. Any other error is r's.
func ReadRequest(r io.Reader) (Incoming, error) {
	b := bufio.NewReader(io.LimitReader(r, maxXML+1))
	// The C client sends a single 0 first, which GSI once needed to delegate a credential.
	if first, err := b.Peek(1); err != nil {
		return Incoming{}, err
	} else if first[0] == '0' {
		_, _ = b.Discard(1) // it has been peeked at
	}
	switch first, err := b.Peek(1); {
	case err != nil:
		return Incoming{}, err
	case first[0] == '<':
		return readXML(b)
	default:
		return readREST(b)
	}
}

// readREST reads a request line and header by hand: the C client ends lines with a bare LF and
// the values in its query are not escaped.
func readREST(b *bufio.Reader) (in Incoming, err error) {
	left := maxHead
	request, err := line(b, &left)
	if err != nil {
		return in, err
	}
	for {
		field, err := line(b, &left)
		if err != nil {
			return in, err
		}
		if field == "" {
			break
		}
		name, value, _ := strings.Cut(field, ":")
		if strings.EqualFold(name, "User-Agent") {
			in.UserAgent = strings.TrimSpace(value)
		}
	}
	method, rest, _ := strings.Cut(request, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") || method != "GET" {
		return in, status(400, "Unable to interpret the request: GET /generate-ac is answered here, and nothing else.")
	}
	path, query, asked := strings.Cut(target, "?")
	if path != "/generate-ac" || asked && query == "" {
		return in, status(404, "There is nothing at this address: ask for /generate-ac.")
	}
	for pair := range strings.SplitSeq(query, "&") {
		if err := in.parameter(pair, asked); err != nil {
			return in, err
		}
	}
	return in, in.complete()
}

// line reads a line without its end and takes its length from left.
func line(b *bufio.Reader, left *int) (string, error) {
	var text []byte
	for {
		part, err := b.ReadSlice('\n')
		if *left -= len(part); *left < 0 {
			return "", status(431, "The request is larger than %d bytes.", maxHead)
		}
		text = append(text, part...)
		if err == nil {
			return strings.TrimSuffix(string(text[:len(text)-1]), "\r"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// status is a refusal for what is not even a bad request.
func status(http int, format string, args ...any) *Error {
	e := NewError(BadRequest, format, args...)
	e.HTTP = http
	return e
}

// parameter takes one name=value of the query.
func (in *Incoming) parameter(pair string, asked bool) error {
	if !asked {
		return nil
	}
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return status(404, "Unable to interpret the request: %q has no value.", shorten(pair))
	}
	// The field's clients escape nothing, others do. No name has a % of its own.
	value, err := url.PathUnescape(value)
	if err != nil {
		return NewError(BadRequest, "Unable to interpret the request: %q is not escaped well.", shorten(pair))
	}
	switch name {
	case "fqans":
		for _, f := range names(value) {
			if strings.EqualFold(f, "all") {
				in.All = true
			} else {
				in.FQANs = append(in.FQANs, short(f))
			}
		}
	case "lifetime":
		return in.lifetime(value)
	case "order":
		in.Order = append(in.Order, order(value)...)
	case "targets":
		in.Targets = append(in.Targets, names(value)...)
	default:
		if len(in.Warnings) == 0 {
			in.Warnings = []string{warnUnknown}
		}
	}
	return nil
}

// names splits a list at its commas. Java puts one behind the last name too.
func names(list string) []string {
	var all []string
	for n := range strings.SplitSeq(list, ",") {
		if n = strings.TrimSpace(n); n != "" {
			all = append(all, n)
		}
	}
	return all
}

// order reads group:role and FQANs alike.
func order(list string) []string {
	all := names(list)
	for i, o := range all {
		if strings.HasPrefix(o, "/") && !strings.Contains(o, "/Role=") {
			o = strings.Replace(o, ":", "/Role=", 1)
		}
		all[i] = short(o)
	}
	return all
}

// lifetime reads seconds. What is not above zero means as long as possible.
func (in *Incoming) lifetime(text string) error {
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case strings.TrimSpace(text) == "":
	case err != nil:
		return NewError(BadRequest, "Unable to interpret the request: %q is no number of seconds.", shorten(text))
	case seconds > 0:
		in.Lifetime = time.Duration(min(seconds, int64(maxLifetime/time.Second))) * time.Second
	}
	return nil
}

// complete refuses names that no client may send.
func (in *Incoming) complete() error {
	if err := in.Check(); err != nil {
		return NewError(BadRequest, "Unable to interpret the request: %v.", err)
	}
	return nil
}

// readXML reads the XML form, which ends with its last tag: the client waits for the answer.
func readXML(b *bufio.Reader) (Incoming, error) {
	in := Incoming{Form: Legacy}
	var text []byte
	for !bytes.HasSuffix(text, []byte("</voms>")) {
		part, err := b.ReadSlice('>')
		text = append(text, part...)
		switch {
		case len(text) > maxXML:
			return in, NewError(BadRequest, "The request is larger than %d bytes.", maxXML)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return in, err
		}
	}
	var doc struct {
		XMLName  xml.Name `xml:"voms"`
		Commands []string `xml:"command"`
		Order    string   `xml:"order"`
		Targets  string   `xml:"targets"`
		Lifetime string   `xml:"lifetime"`
	}
	if err := unmarshal(text, &doc); err != nil {
		return in, NewError(BadRequest, "Unable to interpret command: %v.", err)
	}
	if len(doc.Commands) == 0 {
		return in, NewError(BadRequest, "Unable to interpret command: there is none.")
	}
	for _, c := range doc.Commands {
		if err := in.command(strings.TrimSpace(c)); err != nil {
			return in, err
		}
	}
	in.Order, in.Targets = order(doc.Order), names(doc.Targets)
	if err := in.lifetime(doc.Lifetime); err != nil {
		return in, err
	}
	return in, in.complete()
}

// command takes one <command>: a letter and what it is about, or a FQAN.
func (in *Incoming) command(c string) error {
	switch c {
	case "A", "/":
		in.All = true
		return nil
	case "N", "//":
		in.List = true
		return nil
	}
	return in.fqan(c)
}

func (in *Incoming) fqan(c string) error {
	letter, rest := "", c
	if !strings.HasPrefix(c, "/") && c != "" {
		letter, rest = c[:1], c[1:]
	}
	group, role, hasRole := strings.Cut(strings.Replace(rest, "/Role=", ":", 1), ":")
	switch {
	case letter == "R" && !hasRole && rest != "":
		in.FQANs = append(in.FQANs, "/Role="+strings.TrimPrefix(rest, "/"))
	case letter == "B" && hasRole && group != "", letter == "" && hasRole:
		in.FQANs = append(in.FQANs, short(group+"/Role="+role))
	case (letter == "G" || letter == "") && !hasRole && strings.HasPrefix(rest, "/"):
		in.FQANs = append(in.FQANs, short(rest))
	default:
		return NewError(BadRequest, "Unable to interpret command: %q.", shorten(c))
	}
	return nil
}
