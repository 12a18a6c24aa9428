// Package vomses reads vomses files, in which the attribute authorities ("VOMS servers") of VOs are
// written down, and knows where the field's clients look for them. It imports the standard library
// only.
package vomses

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// The limits of what is read of vomses files. The largest in use list some hundred servers.
const (
	maxVomses  = 1 << 20 // bytes in one file
	maxServers = 10_000  // of all files together
	maxField   = 1024    // bytes
)

// Server is one line of a vomses file: an attribute authority of one VO.
type Server struct {
	Alias string // what people call the VO here; the key of the look-up
	Host  string
	Port  int
	DN    string // of the server's certificate, slash form; nobody checks it
	VO    string // the VO's own name, which its FQANs begin with
}

// fields of a line, in order. The sixth, optional one is a Globus version and tells nothing today.
var fields = [...]string{"alias", "host", "port", "server DN", "VO name", "Globus version"}

// Parse reads a vomses file: one server a line, five or six fields in double quotes. What
// stands between the quotes counts, what stands outside is skipped; blank lines and lines that
// begin with # are comments. The error is a *Error and names the first line that is wrong.
func Parse(data []byte) ([]Server, error) {
	if len(data) > maxVomses {
		return nil, &Error{Reason: fmt.Sprintf("the file is larger than %d bytes", maxVomses)}
	}
	var servers []Server
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(string(line), "#") {
			continue
		}
		s, err := parseLine(text)
		switch {
		case err != nil:
			return nil, &Error{Line: number, Reason: err.Error()}
		case len(servers) == maxServers:
			return nil, &Error{Line: number, Reason: fmt.Sprintf("there are more than %d servers", maxServers)}
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func parseLine(line string) (Server, error) {
	var found []string
	for rest := line; ; {
		_, after, quoted := strings.Cut(rest, `"`)
		if !quoted {
			break
		}
		if len(found) == len(fields) {
			return Server{}, fmt.Errorf("there are more than %d fields", len(fields))
		}
		name := fields[len(found)]
		value, after, closed := strings.Cut(after, `"`)
		switch {
		case !closed:
			return Server{}, fmt.Errorf("the closing quote of the %s is missing", name)
		case strings.TrimSpace(value) == "":
			return Server{}, fmt.Errorf("the %s is empty", name)
		case len(value) > maxField:
			return Server{}, fmt.Errorf("the %s has more than %d bytes", name, maxField)
		case strings.ContainsFunc(value, control):
			return Server{}, fmt.Errorf("the %s has a control character", name)
		}
		found, rest = append(found, value), after
	}
	if len(found) < len(fields)-1 {
		return Server{}, fmt.Errorf(`the %s is missing: a line is "alias" "host" "port" "server DN" "VO name", quotes included`, fields[len(found)])
	}
	port, err := strconv.Atoi(found[2])
	if err != nil || port < 1 || port > 65535 {
		return Server{}, fmt.Errorf("%q is no port number (1 to 65535)", found[2])
	}
	if strings.ContainsAny(found[1], " /") {
		return Server{}, fmt.Errorf("%q is no host name", found[1])
	}
	return Server{Alias: found[0], Host: found[1], Port: port, DN: found[3], VO: found[4]}, nil
}

// control reports whether r would break a line or hide in a terminal.
func control(r rune) bool { return r < ' ' || r == 0x7f }

// String returns the line for a vomses file, without line end.
func (s Server) String() string {
	return fmt.Sprintf(`"%s" "%s" "%d" "%s" "%s"`, s.Alias, s.Host, s.Port, s.DN, s.VO)
}

// Address returns host:port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Error says what is wrong with a vomses file.
type Error struct {
	Path   string // empty from Parse
	Line   int    // from 1; 0 if it is the file as a whole
	Reason string
}

// Error returns "PATH, line N: reason".
func (e *Error) Error() string {
	where := "vomses file"
	if e.Path != "" {
		where = e.Path
	}
	if e.Line > 0 {
		where += ", line " + strconv.Itoa(e.Line)
	}
	return where + ": " + e.Reason
}

// ByAlias returns the servers whose alias is name, each once. The field's clients look at nothing
// else.
func ByAlias(servers []Server, name string) []Server {
	return only(servers, func(s Server) bool { return s.Alias == name })
}

// ByName returns the servers whose alias is name or, where there is none, whose VO is.
func ByName(servers []Server, name string) []Server {
	if found := ByAlias(servers, name); len(found) > 0 {
		return found
	}
	return only(servers, func(s Server) bool { return s.VO == name })
}

// only returns the servers that match, each once: several files often hold the same line.
func only(servers []Server, match func(Server) bool) []Server {
	var found []Server
	for _, s := range servers {
		if match(s) && !slices.ContainsFunc(found, func(f Server) bool { return f.Address() == s.Address() && f.VO == s.VO }) {
			found = append(found, s)
		}
	}
	return found
}
