package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
	"github.com/lanyardhq/lanyard/material"
)

var now = time.Date(2026, 11, 21, 12, 41, 0, 0, time.UTC)

// newConsole is a console in the east of Finland, with its environment and what it printed.
func newConsole(t *testing.T) (c *console.Console, env map[string]string, out, errs *bytes.Buffer) {
	t.Helper()
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	env = map[string]string{"LANG": "en_US.UTF-8", "HOME": t.TempDir()}
	return &console.Console{Streams: console.Streams{In: strings.NewReader(""), Out: out, Err: errs}, Getenv: func(k string) string { return env[k] },
		Now: func() time.Time { return now }, Zone: time.FixedZone("EET", 2*3600), Version: "1.2.3", Options: console.Options{Output: "table"}}, env, out, errs
}

// TestEveryErrorHasAnExitCode goes through all codes of problems and faults, and through what else
// can go wrong.
func TestEveryErrorHasAnExitCode(t *testing.T) {
	want := map[string]console.Exit{api.Invalid: 2, api.Unauthenticated: 4, api.Denied: 5, api.NotFound: 3, api.Conflict: 6,
		api.Limited: 6, api.Unavailable: 7, api.Internal: 1}
	for _, code := range api.Codes() {
		exit, ok := want[code]
		if !ok {
			t.Errorf("code %s has no exit code", code)
		}
		if got := console.Explain(fmt.Errorf("wrapped: %w", &api.Problem{Code: code, Detail: "no"})); got.Exit != exit || got.Message != "no" {
			t.Errorf("problem %s: %+v, want exit %d", code, got, exit)
		}
		if got := console.Explain(fault.New(fault.Code(code), "no")); got.Exit != exit {
			t.Errorf("fault %s: exit %d, want %d", code, got.Exit, exit)
		}
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	_, badCertificate := http.Get(tls.URL)
	refused := &client.Unreachable{Server: "lanyard.example.org", Why: "connection refused"}
	for name, c := range map[string]struct {
		err  error
		exit console.Exit
		text string
	}{
		"a code of a newer server": {&api.Problem{Code: "new", Detail: "x"}, 1, "x"},
		"Ctrl-C":                   {fmt.Errorf("request: %w", context.Canceled), 130, "interrupted"},
		"no answer":                {context.DeadlineExceeded, 7, "no answer in time"},
		"not reached":              {refused, 7, "cannot reach lanyard.example.org"},
		"not reached, sign-in":     {getError(), 7, "cannot reach 127.0.0.1:9: connection refused"},
		"a wrong certificate":      {badCertificate, 11, "certificate"},
		"nobody approved":          {fault.New(fault.Unavailable, "late").WithCause(signin.ErrNotApproved), 8, "late"},
		"files others can read":    {fault.New(fault.Denied, "mode").WithCause(signin.ErrInsecure), 11, "mode"},
		"a local error":            {&os.PathError{Op: "open", Path: "/x", Err: os.ErrPermission}, 1, "open /x: permission denied"},
		"a task":                   {console.Cannot("create the key", &api.Problem{Code: api.Limited, Detail: "too long"}), 6, "cannot create the key: too long"},
		"some of several":          {&console.Failure{Exit: console.Partial, Message: "some"}, 9, "some"},
	} {
		if got := console.Explain(c.err); got.Exit != c.exit || !strings.Contains(got.Message, c.text) {
			t.Errorf("%s: %+v, want exit %d and %q", name, got, c.exit, c.text)
		}
	}
	seen := map[string]bool{}
	for _, x := range console.Exits() {
		if x.Name == "" || seen[x.Name] || x.Exit.Name() != x.Name {
			t.Errorf("exit code %d has the name %q", x.Exit, x.Name)
		}
		seen[x.Name] = true
	}
}

func getError() error {
	_, err := http.Get("http://127.0.0.1:9/token")
	return err
}

func TestReport(t *testing.T) {
	err := console.Cannot("create the key", &api.Problem{Code: api.Limited, Detail: "project 462000008 allows at most 30 days, you asked for 90 days",
		Hint: "use --for 30d, or ask a manager", RequestID: "01JD8F", RetryAfter: 3})
	c, env, out, errs := newConsole(t)
	if exit := c.Report(err); exit != 6 {
		t.Error(exit)
	}
	want := "✗ Cannot create the key: project 462000008 allows at most 30 days, you asked for 90 days.\n  Use --for 30d, or ask a manager.\n  (request 01JD8F)\n"
	if errs.String() != want || out.Len() != 0 {
		t.Errorf("got %q", errs)
	}
	errs.Reset()
	c.JSON = true
	c.Report(err)
	want = `{"error":{"code":"conflict_or_limit","message":"cannot create the key: project 462000008 allows at most 30 days, you asked for 90 days","hint":"use --for 30d, or ask a manager","request_id":"01JD8F","retry_after":3}}` + "\n"
	if errs.String() != want || out.Len() != 0 {
		t.Errorf("got %q", errs)
	}
	errs.Reset()
	c.JSON = false
	c.Report(errors.Join(errors.New("x.yaml:1: one"), errors.New("x.yaml:2: two")))
	if want := "✗ x.yaml:1: one\n  x.yaml:2: two\n"; errs.String() != want {
		t.Errorf("got %q", errs)
	}
	errs.Reset()
	c.Report(errors.New("climate: Unable to satisfy the request!")) // it ends well already
	if want := "✗ climate: Unable to satisfy the request!\n"; errs.String() != want {
		t.Errorf("got %q", errs)
	}
	errs.Reset()
	env["LANG"] = "C"
	c.Report(fault.New(fault.NotFound, "evil \x1b[31m name\rof a server").WithHint("lanyard login --server https://x"))
	if want := "error: Evil  [31m name of a server.\n  lanyard login --server https://x\n"; errs.String() != want {
		t.Errorf("got %q", errs)
	}
}

func TestFormats(t *testing.T) {
	doc := api.List[api.Credential]{Schema: api.SchemaS3Keys, Items: []api.Credential{{ID: "crd_1", Name: "a<b", SecretAccessKey: "s3cret", EndsInSeconds: 5}}, ServerTime: now}
	r := console.Result{Document: doc, Values: []string{"crd_1"}, Env: [][2]string{{"A", "plain"}, {"B", "it's $HOME"}}}
	for format, want := range map[string]string{
		"json":  `{"schema":"lanyard/v1/s3key.list","items":[{"id":"crd_1","kind":"","name":"a<b",`,
		"yaml":  "schema: lanyard/v1/s3key.list\nitems:\n- id: crd_1\n",
		"env":   "export A=plain\nexport B='it'\\''s $HOME'\n",
		"value": "crd_1\n",
		"table": "here\n",
	} {
		c, _, out, _ := newConsole(t)
		c.Output = format
		r.Text = func() { c.Print("here") }
		if err := c.Show(r); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %q %v", format, out, err)
		}
		if shown := strings.Contains(out.String(), "s3cret"); shown != (format == "json" || format == "yaml") {
			t.Errorf("%s: the secret that was asked for is shown: %t", format, shown)
		}
		if err := c.Show(console.Result{Document: doc, Text: func() {}}); (err != nil) != (format == "env" || format == "value") {
			t.Errorf("%s without values: %v", format, err)
		}
	}
	c, _, _, _ := newConsole(t)
	c.Output = "xml"
	if err := c.Check(); console.Explain(err).Exit != console.Misuse {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	c, _, out, _ := newConsole(t)
	head, rows := []string{"NAME", "STATE"}, [][]string{{"rclone on lümi-login2 \x1b[2J", "active"}, {"b", "ends soon"}}
	c.Table(head, rows)
	want := "NAME                        STATE\nrclone on lümi-login2  [2J  active\nb                           ends soon\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	c.OutTerminal, c.Width, c.NoColor = true, 24, true
	c.Table(head, rows)
	for _, l := range strings.Split(out.String(), "\n") {
		if n := len([]rune(l)); n > 24 {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	if !strings.Contains(out.String(), "rclone on lü…  active") {
		t.Errorf("got %q", out)
	}
}

func TestColours(t *testing.T) {
	for _, tt := range []struct {
		terminal bool
		env      string
		flag     bool
		want     bool
	}{{true, "", false, true}, {false, "", false, false}, {true, "NO_COLOR", false, false}, {false, "CLICOLOR_FORCE", false, true},
		{true, "", true, false}, {true, "TERM=dumb", false, false}} {
		c, env, _, _ := newConsole(t)
		name, value, ok := strings.Cut(tt.env, "=")
		if env[name] = value; !ok {
			env[name] = "1"
		}
		c.NoColor = tt.flag
		if got := c.Colourful(tt.terminal); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

func TestConfirm(t *testing.T) {
	for _, tt := range []struct {
		name, typed string
		change      func(*console.Console)
		ok          bool
	}{
		{"the name", "nightly\n", func(*console.Console) {}, true},
		{"another name", "weekly\n", func(*console.Console) {}, false},
		{"nothing", "", func(*console.Console) {}, false},
		{"--yes", "", func(c *console.Console) { c.Yes = true }, true},
		{"no terminal", "nightly\n", func(c *console.Console) { c.InTerminal = false }, false},
		{"--no-input", "nightly\n", func(c *console.Console) { c.NoInput = true }, false},
	} {
		c, _, out, _ := newConsole(t)
		c.In, c.InTerminal = strings.NewReader(tt.typed), true
		tt.change(c)
		err := c.Confirm(t.Context(), "it is in use", "nightly", "delete")
		if (err == nil) != tt.ok || err != nil && console.Explain(err).Exit != console.Misuse || out.Len() != 0 {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c, _, _, _ := newConsole(t)
	r, w := io.Pipe()
	defer w.Close()
	c.In, c.InTerminal = r, true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Confirm(ctx, "it is in use", "x", "delete"); console.Explain(err).Exit != console.Interrupted {
		t.Error(err)
	}
}

func TestWaitDrawsOnlyWhatTakesTime(t *testing.T) {
	c, _, _, errs := newConsole(t)
	c.ErrTerminal = true
	synctest.Test(t, func(t *testing.T) {
		stop := c.Wait("Waiting…")
		time.Sleep(250 * time.Millisecond)
		stop()
		if errs.Len() != 0 {
			t.Errorf("a short wait drew %q", errs)
		}
		stop = c.Wait("Waiting…")
		inner := c.Wait("inside")
		time.Sleep(3250 * time.Millisecond)
		inner()
		c.Say("between")
		stop()
	})
	got := errs.String()
	if !strings.Contains(got, "⠹ Waiting…\x1b[K") || !strings.Contains(got, "Waiting… 00:03") || strings.Contains(got, "inside") {
		t.Errorf("drew %q", got)
	}
	if !strings.Contains(got, "\r\x1b[Kbetween\n") || !strings.HasSuffix(got, "between\n") {
		t.Errorf("the line was not taken away: %q", got)
	}
}

func TestDebugShowsNoSecret(t *testing.T) {
	const secret = "Abcdefghij0123456789Abcdefghij0123456789"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "lanyard", Value: "c00kie"})
		fmt.Fprintf(w, `{"access_token":"lyt_token","secret_access_key": "%s","name":"n","got":%d}`, secret, len(body))
	}))
	defer server.Close()
	c, _, _, errs := newConsole(t)
	c.Debug = true
	r, err := http.NewRequest("POST", server.URL+"/token?code=q1w2", strings.NewReader("refresh_token=lyt_refresh&device_code=d3vice&name=n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer lyt_header")
	w, err := c.HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil || !strings.Contains(string(body), secret) || !strings.Contains(string(body), `"got":51`) {
		t.Errorf("the exchange was changed by being watched: %s %v", body, err)
	}
	for _, s := range []string{"lyt_", secret, "q1w2", "d3vice", "c00kie"} {
		if strings.Contains(errs.String(), s) {
			t.Errorf("%q is shown:\n%s", s, errs)
		}
	}
	for _, s := range []string{"> POST http://", "> Authorization: ‹redacted 17›", "&name=n", "< 200 OK after", `"secret_access_key": "‹redacted 40›"`} {
		if !strings.Contains(errs.String(), s) {
			t.Errorf("%q is not shown:\n%s", s, errs)
		}
	}
}

func TestServerAndProject(t *testing.T) {
	c, env, _, _ := newConsole(t)
	server := func() string {
		s, err := c.ServerURL()
		if err != nil {
			return console.Explain(err).Exit.Name()
		}
		return s
	}
	project := func() string {
		p, err := c.GivenProject()
		if err != nil {
			t.Error(err)
		}
		return p
	}
	if got := server(); got != "auth_required" {
		t.Errorf("without anything: %s", got)
	}
	in := signin.SignIn{Server: "https://last.example", AccountID: "usr_1"}
	if _, err := c.SignIns().Save(t.Context(), in, signin.Tokens{Access: "a", AccessExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got := server(); got != "https://last.example" {
		t.Errorf("after a sign-in: %s", got)
	}
	file := filepath.Join(env["HOME"], ".config", "lanyard", "config.yaml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("server: file.example\nproject: p1\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := server(); got != "https://file.example" || project() != "p1" {
		t.Errorf("with a file: %s %s", got, project())
	}
	env["LANYARD_SERVER"], env["LANYARD_PROJECT"] = "https://env.example/", "p2"
	if got := server(); got != "https://env.example" || project() != "p2" {
		t.Errorf("with variables: %s %s", got, project())
	}
	c.Server, c.Project = "http://localhost:8080", "p3"
	if got := server(); got != "http://localhost:8080" || project() != "p3" {
		t.Errorf("with flags: %s %s", got, project())
	}
	c.Server = "http://flag.example"
	if got := server(); got != "usage" {
		t.Errorf("a token would go unencrypted to %s", got)
	}
}

func TestToken(t *testing.T) {
	c, env, _, _ := newConsole(t)
	token := func(want material.Secret, code fault.Code) {
		t.Helper()
		if got, err := c.Token(); got != want || fault.CodeOf(err) != code {
			t.Errorf("got %q %v", got.Reveal(), err)
		}
	}
	token("", "")
	file := filepath.Join(env["HOME"], "token")
	env["LANYARD_TOKEN_FILE"] = file
	token("", fault.Unauthenticated)
	for _, text := range []string{"lyt_1\n", "lyt_2"} { // read anew each time
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		token(material.Secret(strings.TrimSpace(text)), "")
	}
	env["LANYARD_TOKEN"] = "lyt_3"
	token("lyt_3", "")
}

// TestSocket reaches a server on a UNIX socket.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") })}
	go server.Serve(l)
	defer server.Close()
	c, _, _, _ := newConsole(t)
	w, err := (&http.Client{Transport: c.Transport(path)}).Get("http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if text, err := io.ReadAll(w.Body); string(text) != "here" {
		t.Error(string(text), err)
	}
}
