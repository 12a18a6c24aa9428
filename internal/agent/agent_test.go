package agent_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/agent"
	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/standin"
)

// A person has a machine and a sign-in.
type person struct {
	t      *testing.T
	env    map[string]string
	socket string

	mu      sync.Mutex
	answers map[string]func(call) (int, any) // by "METHOD PATH"
	calls   []call
}

// A call is what the server was asked.
type call struct {
	Line string // METHOD PATH
	Body map[string]any
}

func newPerson(t *testing.T) *person {
	dir, err := os.MkdirTemp("", "ly") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &person{t: t, socket: filepath.Join(dir, "lanyard", "agent.sock"), answers: map[string]func(call) (int, any){}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.env = map[string]string{"LANG": "en_US.UTF-8", "HOME": dir, "XDG_RUNTIME_DIR": dir, "LANYARD_SERVER": s.URL, "LANYARD_TOKEN": "lyt_test",
		"X509_USER_PROXY": filepath.Join(dir, "proxy.pem")}
	return p
}

// ServeHTTP is the server.
func (p *person) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := call{Line: r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1")}
	_ = json.NewDecoder(r.Body).Decode(&k.Body) // some have none
	p.calls = append(p.calls, k)
	status, body := 404, any(api.Problem{Code: api.NotFound, Detail: "not here"})
	if answer, ok := p.answers[k.Line]; ok {
		status, body = answer(k)
	}
	out.Header().Set("Content-Type", "application/json")
	if status >= 400 {
		out.Header().Set("Content-Type", "application/problem+json")
	}
	out.WriteHeader(status)
	_ = json.NewEncoder(out).Encode(body)
}

func (p *person) answer(line string, do func(call) (int, any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[line] = do
}

// asked returns what was asked since the last time.
func (p *person) asked() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

// getenv and setenv are for while the agent runs.
func (p *person) getenv(k string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.env[k]
}

func (p *person) setenv(k, v string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env[k] = v
}

// run runs a command line and returns its exit code and what it printed.
func (p *person) run(ctx context.Context, args ...string) (code int, out, errs *standin.Log) {
	out, errs = &standin.Log{}, &standin.Log{}
	return p.runInto(ctx, out, errs, args...), out, errs
}

func (p *person) runInto(ctx context.Context, out, errs *standin.Log, args ...string) int {
	c := &console.Console{Streams: console.Streams{In: strings.NewReader(""), Out: out, Err: errs}, Getenv: p.getenv,
		Now: time.Now, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	config := cli.Config{Console: c}
	config.More = append(config.More, agent.Command(agent.Config{Console: c, UID: os.Getuid(), Program: "/opt/lan yard/100%/lanyard"}))
	return cli.Run(ctx, config, append([]string{"agent"}, args...))
}

func (p *person) must(args ...string) string {
	p.t.Helper()
	code, out, errs := p.run(p.t.Context(), args...)
	if code != 0 {
		p.t.Fatalf("agent %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out.String() + errs.String()
}

// start runs the agent until the test is over, or stop is called.
func (p *person) start() (errs *standin.Log, stop func()) {
	p.t.Helper()
	out, errs := &standin.Log{}, &standin.Log{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- p.runInto(ctx, out, errs) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			p.t.Errorf("the agent ended with %d: %s", code, errs)
		}
	})
	p.t.Cleanup(stop)
	p.until("the agent listens", func() bool {
		c, err := net.Dial("unix", p.socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return errs, stop
}

// until waits for what happens soon.
func (p *person) until(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(3 * time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			p.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func ok(body any) func(call) (int, any) { return func(call) (int, any) { return 200, body } }

// token answers with a token that tells what was asked for.
func token(life time.Duration) func(call) (int, any) {
	return func(k call) (int, any) {
		text := "token"
		for _, list := range []string{"scopes", "audiences"} {
			if of, ok := k.Body[list].([]any); ok {
				for _, one := range of {
					text += "." + strings.NewReplacer(":", "-", "/", "-").Replace(one.(string))
				}
			}
		}
		if k.Body["force"] == true {
			text += ".forced"
		}
		return 200, map[string]any{"credential_id": "crd_W", "provider": "wlcg", "issuer": "https://wlcg.test/", "access_token": text,
			"token_type": "Bearer", "expires_at": time.Now().Add(life).UTC().Truncate(time.Second), "expires_in": int64(life.Seconds()), "scopes": []string{}}
	}
}

// wlcg makes the server know a provider, and the person one grant for it.
func (p *person) wlcg() {
	grant := api.Credential{ID: "crd_W", Kind: "grant", Name: "wlcg", State: "active",
		Grant: &api.Grant{Provider: "wlcg", Scopes: []string{"storage.read:/data", "offline_access"}, Standing: "valid"}}
	p.answer("GET /credentials", ok(api.List[api.Credential]{Items: []api.Credential{grant}}))
	p.answer("GET /credentials/wlcg/grant", ok(grant))
	p.answer("GET /providers", ok(api.List[api.Provider]{Items: []api.Provider{{ID: "wlcg", Issuer: "https://wlcg.test/"}}}))
	p.answer("POST /credentials/wlcg/token", token(time.Hour))
}

// private reads a file of which nobody else may read anything; empty if there is none.
func (p *person) private(path string) string {
	p.t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	if info.Mode() != 0o600 {
		p.t.Errorf("%s has mode %s", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}
