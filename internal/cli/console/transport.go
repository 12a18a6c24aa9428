package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// shownAtMost bounds how much of a body --debug shows, in bytes.
const shownAtMost = 8 << 10

// Transport is the way to servers for all requests: with time limits, a spinner while a person
// waits, and a record of each exchange with --debug. Socket, if set, is a UNIX socket to connect
// to in place of the host.
func (c *Console) Transport(socket string) http.RoundTripper {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return observed{c, t}
}

type observed struct {
	c    *Console
	next http.RoundTripper
}

func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	defer o.c.Wait("Waiting for " + r.URL.Host + "…")()
	if r.Header.Get("User-Agent") == "" { // the server shows people which programs came
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", o.c.UserAgent())
	}
	if !o.c.Debug {
		return o.next.RoundTrip(r)
	}
	o.request(r)
	begin := o.c.Now()
	w, err := o.next.RoundTrip(r)
	took := o.c.Now().Sub(begin).Round(time.Millisecond)
	if err != nil {
		o.c.line(o.c.Err, fmt.Sprintf("< failed after %s: %v", took, err))
		return w, err
	}
	return w, o.answer(w, took)
}

func (o observed) request(r *http.Request) {
	o.c.line(o.c.Err, "> "+r.Method+" "+Redact(r.URL.String()))
	o.headers(">", r.Header)
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(body, shownAtMost))
			o.body(">", text)
		}
	}
}

// answer shows the answer and puts its body back.
func (o observed) answer(w *http.Response, took time.Duration) error {
	text, err := io.ReadAll(w.Body)
	w.Body.Close()
	w.Body = io.NopCloser(bytes.NewReader(text))
	o.c.line(o.c.Err, fmt.Sprintf("< %s after %s", w.Status, took))
	o.headers("<", w.Header)
	o.body("<", text[:min(len(text), shownAtMost)])
	return err
}

func (o observed) headers(mark string, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(h[name], ", ")
		switch name {
		case "Authorization", "Cookie", "Set-Cookie":
			value = hidden(value)
		}
		o.c.line(o.c.Err, mark+" "+name+": "+Redact(value))
	}
}

func (o observed) body(mark string, text []byte) {
	for l := range strings.Lines(Redact(string(text))) {
		o.c.line(o.c.Err, mark+" "+Clean(strings.TrimRight(l, "\r\n")))
	}
}

// What is secret in what this program sends and gets: JSON members and form fields by name, and
// anything that looks like a token or a secret key of ours.
var (
	secretMember = regexp.MustCompile(`("(?:[a-z_]*token|secret_access_key|device_code|code|password|code_verifier)"\s*:\s*")((?:[^"\\]|\\.)*)`)
	secretField  = regexp.MustCompile(`((?:^|[?&])(?:[a-z_]*token|device_code|code|password|code_verifier|code_challenge|state)=)([^&\s"]*)`)
	secretText   = regexp.MustCompile(`\b(lyt_\S{8,}|[A-Za-z0-9]{40})\b`)
)

// Redact hides the secrets in text that was sent or received, each behind its length.
func Redact(text string) string {
	for _, re := range []*regexp.Regexp{secretMember, secretField} {
		text = re.ReplaceAllStringFunc(text, func(m string) string {
			part := re.FindStringSubmatch(m)
			return part[1] + hidden(part[2])
		})
	}
	return secretText.ReplaceAllStringFunc(text, hidden)
}

func hidden(s string) string { return fmt.Sprintf("‹redacted %d›", len(s)) }
