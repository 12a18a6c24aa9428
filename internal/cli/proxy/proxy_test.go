package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/proxy"
)

const fixtures = "../../../testdata/voms/"

// now is within the validity of what the fixtures mean to be valid.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A person sits at the command line.
type person struct {
	t         *testing.T
	env       map[string]string
	out, errs bytes.Buffer
	in        string
	terminal  bool
	classic   []string
}

func newPerson(t *testing.T) *person {
	home := t.TempDir()
	return &person{t: t, env: map[string]string{"LANG": "en_US.UTF-8", "HOME": home,
		"X509_USER_PROXY": home + "/proxy.pem", "X509_CERT_DIR": fixtures + "pki/certificates", "X509_VOMS_DIR": fixtures + "pki/vomsdir"}}
}

// run runs a command line and returns its exit code. What it printed is in out and errs.
func (p *person) run(args ...string) int {
	p.out.Reset()
	p.errs.Reset()
	c := &console.Console{Streams: console.Streams{In: strings.NewReader(p.in), Out: &p.out, Err: &p.errs, InTerminal: p.terminal,
		ReadUnseen: func() ([]byte, error) { return []byte(p.in), nil }},
		Getenv: func(k string) string { return p.env[k] }, Now: func() time.Time { return now }, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	more := proxy.Command(proxy.Config{Console: c, UID: os.Getuid(), Hosts: []string{"vm", "vm.lanyard.test"},
		Classic: func(args []string) int { p.classic = args; return 3 }})
	config := cli.Config{Console: c}
	config.More = append(config.More, more)
	return cli.Run(p.t.Context(), config, append([]string{"proxy"}, args...))
}

// must runs a command that succeeds and returns what it printed.
func (p *person) must(args ...string) string {
	p.t.Helper()
	if code := p.run(args...); code != 0 {
		p.t.Fatalf("proxy %s: exit code %d\n%s%s", strings.Join(args, " "), code, &p.out, &p.errs)
	}
	return p.out.String()
}

// sees checks what was printed.
func (p *person) sees(where *bytes.Buffer, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(where.String(), text) {
			p.t.Errorf("%q is not in:\n%s", text, where)
		}
	}
}

// A call is what a server was asked.
type call struct {
	Method, Path string
	Key          string // Idempotency-Key
	Body         map[string]any
}

// serve makes a server that answers by "METHOD PATH" and notes what it is asked; the person is
// signed in there.
func (p *person) serve(answers map[string]func(call) (int, any)) *[]call {
	calls := &[]call{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := call{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/api/v1"), Key: r.Header.Get("Idempotency-Key")}
		_ = json.NewDecoder(r.Body).Decode(&k.Body) // some have none
		*calls = append(*calls, k)
		answer, ok := answers[k.Method+" "+k.Path]
		status, body := http.StatusNotFound, any(map[string]any{"type": "about:blank", "title": "Not Found", "code": "not_found", "detail": "not here", "request_id": "r1"})
		if ok {
			status, body = answer(k)
		}
		if text, ok := body.(string); ok {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(status)
			fmt.Fprint(w, text)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	p.t.Cleanup(s.Close)
	p.env["LANYARD_SERVER"], p.env["LANYARD_TOKEN"], p.env["LANYARD_PROJECT"] = s.URL, "lyt_test", "p1"
	return calls
}
