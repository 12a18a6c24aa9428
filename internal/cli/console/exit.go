package console

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
)

// Exit is the exit code of the program. The codes are part of its interface.
type Exit int

// The exit codes.
const (
	OK          Exit = 0
	Failed      Exit = 1
	Misuse      Exit = 2
	NotFound    Exit = 3
	AuthNeeded  Exit = 4
	Denied      Exit = 5
	Conflict    Exit = 6
	Unavailable Exit = 7
	TimedOut    Exit = 8
	Partial     Exit = 9
	OutlivesNot Exit = 10
	Insecure    Exit = 11
	Interrupted Exit = 130
)

// Exits are all exit codes, with the names that stand in JSON errors and what they mean.
func Exits() []struct {
	Exit          Exit
	Name, Meaning string
} {
	return []struct {
		Exit          Exit
		Name, Meaning string
	}{
		{OK, "ok", "done, or nothing to do"},
		{Failed, "error", "anything that is not below"},
		{Misuse, "usage", "wrong flags or values; a question not asked"},
		{NotFound, "not_found", "no such project, key, … that you may know of"},
		{AuthNeeded, "auth_required", "not signed in, or the session has ended"},
		{Denied, "denied", "signed in but not allowed, or refused"},
		{Conflict, "conflict_or_limit", "changed meanwhile, wrong state, quota or cap"},
		{Unavailable, "upstream_unavailable", "no answer; it is safe to try again"},
		{TimedOut, "timed_out", "nobody approved in time"},
		{Partial, "partial", "some of several things failed"},
		{OutlivesNot, "will_not_outlive", "a credential ends before the job"},
		{Insecure, "tampered_or_insecure", "file permissions, certificate or clock"},
		{Interrupted, "interrupted", "Ctrl-C"},
	}
}

// Name is the exit code's name in JSON errors.
func (e Exit) Name() string {
	for _, x := range Exits() {
		if x.Exit == e {
			return x.Name
		}
	}
	return "error"
}

// byCode gives each code of a problem or fault its exit code.
var byCode = map[string]Exit{
	api.Invalid: Misuse, api.Unauthenticated: AuthNeeded, api.Denied: Denied, api.NotFound: NotFound,
	api.Conflict: Conflict, api.Limited: Conflict, api.Unavailable: Unavailable, api.Internal: Failed,
}

// A Failure is an error as the person, or a script, gets it.
type Failure struct {
	Exit          Exit
	Message, Hint string
	RequestID     string
	RetryAfter    int64 // seconds; 0 if unknown
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// ChildExit carries the exit code of a child process; Err, if set, is reported first.
type ChildExit struct {
	Code int
	Err  error
}

// Error implements error.
func (e *ChildExit) Error() string { return "the command failed" }

// task is an error together with what it kept from being done.
type task struct {
	what string
	error
}

func (t task) Unwrap() error { return t.error }

// Cannot adds what was to be done to an error, as in "create the key"; nil stays nil.
func Cannot(what string, err error) error {
	if err == nil {
		return nil
	}
	return task{what, err}
}

// Explain finds out what err means for the person and which exit code it has.
func Explain(err error) Failure {
	f := explain(err)
	if t, ok := errors.AsType[task](err); ok {
		f.Message = "cannot " + t.what + ": " + f.Message
	}
	switch {
	case errors.Is(err, signin.ErrNotApproved):
		f.Exit = TimedOut
	case errors.Is(err, signin.ErrInsecure):
		f.Exit = Insecure
	}
	return f
}

func explain(err error) Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return *f
	}
	if errors.Is(err, context.Canceled) {
		return Failure{Exit: Interrupted, Message: "interrupted"}
	}
	if p, ok := errors.AsType[*api.Problem](err); ok {
		f := Failure{Exit: byCode[p.Code], Message: p.Detail, Hint: p.Hint, RequestID: p.RequestID, RetryAfter: p.RetryAfter}
		if f.Exit == OK {
			f.Exit = Failed // a code that this version does not know
		}
		if f.Exit == AuthNeeded && f.Hint == "" {
			f.Hint = "sign in again: lanyard login"
		}
		return f
	}
	if p, ok := errors.AsType[*fault.Fault](err); ok {
		return Failure{Exit: byCode[string(p.Code)], Message: p.Message, Hint: p.Hint, RetryAfter: int64(p.RetryAfter.Seconds())}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = client.Reach(u.URL, u.Err)
	}
	if u, ok := errors.AsType[*client.Unreachable](err); ok {
		return unreachable(u)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Failure{Exit: Unavailable, Message: "no answer in time", Hint: "try again in a minute"}
	}
	return Failure{Exit: Failed, Message: err.Error()}
}

func unreachable(u *client.Unreachable) Failure {
	f := Failure{Exit: Unavailable, Message: u.Error(), Hint: "is the address right? lanyard login --server https://HOST"}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](u); ok {
		f.Exit, f.Hint = Insecure, "if your site moved: lanyard login --server https://HOST"
	}
	return f
}

// Tampered is the failure of a check of the audit trail, whose first bad record has the number.
func Tampered(record int64) error {
	return &Failure{Exit: Insecure, Message: fmt.Sprintf("the audit trail was changed: record %d does not fit the one before", record),
		Hint: "compare it with your copies, and find out who could write to the database"}
}

// Report tells the person or script of an error, on the error stream, and returns its exit code.
// With an output format for programs it is one JSON object.
func (c *Console) Report(err error) Exit {
	if err == nil {
		return OK
	}
	f := Explain(err)
	if c.Output == "json" || c.Output == "yaml" || c.JSON {
		c.reportJSON(f)
		return f.Exit
	}
	if f.Exit == Interrupted {
		c.Say("Interrupted.")
		return f.Exit
	}
	// Several mistakes at once stand on lines of their own.
	mark := c.paint(c.ErrTerminal, red, failed) + " "
	for text := range strings.Lines(sentence(f.Message)) {
		c.line(c.Err, mark+Clean(strings.TrimRight(text, "\n")))
		mark = "  "
	}
	if f.Hint != "" {
		c.line(c.Err, "  "+Clean(sentence(f.Hint)))
	}
	if f.RequestID != "" {
		c.line(c.Err, "  (request "+Clean(f.RequestID)+")")
	}
	return f.Exit
}

func (c *Console) reportJSON(f Failure) {
	var doc struct {
		Error struct {
			Code       string `json:"code"`
			Message    string `json:"message"`
			Hint       string `json:"hint,omitempty"`
			RequestID  string `json:"request_id,omitempty"`
			RetryAfter int64  `json:"retry_after,omitempty"`
		} `json:"error"`
	}
	e := &doc.Error
	e.Code, e.Message, e.Hint, e.RequestID, e.RetryAfter = f.Exit.Name(), f.Message, f.Hint, f.RequestID, f.RetryAfter
	text, err := json.Marshal(doc)
	if err != nil {
		text = fmt.Appendf(nil, `{"error":{"code":%q,"message":"an error that cannot be written down"}}`, f.Exit.Name())
	}
	fmt.Fprintf(c.Err, "%s\n", text)
}

// sentence begins s with a capital and ends it with a full stop, unless it holds something to type,
// such as a command or a path, or is several lines.
func sentence(s string) string {
	if strings.Contains(s, "\n") {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	word, _, _ := strings.Cut(s, " ")
	if word == "chmod" || word == "chown" {
		return s
	}
	if word == strings.ToLower(word) && !strings.ContainsAny(word, "/.:_-=") && word != "lanyard" {
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	if !strings.Contains(s, "lanyard ") && strings.TrimRight(s, ".?!") == s && !strings.Contains(s, "://") {
		s += "."
	}
	return s
}
