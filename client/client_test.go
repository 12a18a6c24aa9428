package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/material"
)

const canary = material.Secret("lyt_CANARY")

// network answers each request by the next of its steps, the last one for ever.
type network struct {
	steps    []func(*http.Request) (*http.Response, error)
	requests []*http.Request
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	step := n.steps[min(len(n.requests), len(n.steps)-1)]
	n.requests = append(n.requests, r)
	return step(r)
}

func answer(status int, kind, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {kind}}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func problem(status int, code string, retryAfter int) func(*http.Request) (*http.Response, error) {
	return answer(status, "application/problem+json",
		fmt.Sprintf(`{"status":%d,"code":%q,"detail":"the server says so","request_id":"req_1","retry_after":%d}`, status, code, retryAfter))
}

func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func fine(*http.Request) (*http.Response, error) {
	return answer(200, "application/json", `{"id":"crd_1"}`)(nil)
}

func over(t *testing.T, steps ...func(*http.Request) (*http.Response, error)) (*client.Client, *network) {
	t.Helper()
	n := &network{steps: steps}
	c, err := client.New("https://lanyard.example.org", client.Options{Transport: n, Token: client.StaticToken(canary), UserAgent: "lanyard/1"})
	if err != nil {
		t.Fatal(err)
	}
	return c, n
}

func TestARequestIsRepeatedUnderOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := over(t, problem(503, api.Unavailable, 0), broken(io.ErrUnexpectedEOF), fine)
		if _, err := c.CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Name: "x"}); err != nil {
			t.Fatal(err)
		}
		if len(n.requests) != 3 {
			t.Fatalf("%d requests were sent", len(n.requests))
		}
		for _, r := range n.requests {
			text, err := io.ReadAll(r.Body)
			if err != nil || !strings.Contains(string(text), `"name":"x"`) {
				t.Errorf("the body of a repetition is %s, %v", text, err)
			}
			if key := r.Header.Get("Idempotency-Key"); len(key) < 20 || key != n.requests[0].Header.Get("Idempotency-Key") {
				t.Errorf("Idempotency-Key is %q", key)
			}
			if r.Header.Get("Authorization") != "Bearer lyt_CANARY" || r.Header.Get("User-Agent") != "lanyard/1" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("headers are %v", r.Header)
			}
		}
		if _, err := c.FreezeCredential(t.Context(), "crd_1"); err != nil || n.requests[3].Header.Get("Idempotency-Key") == n.requests[0].Header.Get("Idempotency-Key") {
			t.Errorf("two calls share a key (%v)", err)
		}
	})
}

func TestHowLongItTries(t *testing.T) {
	hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		name        string
		step        func(*http.Request) (*http.Response, error)
		requests    int
		least, most time.Duration
		code        string // "": unreachable
	}{
		{"nothing listens", broken(refused), 4, 1750 * time.Millisecond, 3500 * time.Millisecond, ""},
		{"overloaded", problem(503, api.Unavailable, 0), 4, 1750 * time.Millisecond, 3500 * time.Millisecond, api.Unavailable},
		{"overloaded, and says how long", problem(503, api.Unavailable, 5), 4, 15 * time.Second, 16 * time.Second, api.Unavailable},
		{"overloaded for longer than one would wait", problem(503, api.Unavailable, 60), 1, 0, 0, api.Unavailable},
		{"hangs", hang, 1, 30 * time.Second, 30 * time.Second, ""},
		{"refused", problem(403, api.Denied, 0), 1, 0, 0, api.Denied},
		{"limited", problem(429, api.Limited, 1), 1, 0, 0, api.Limited},
		{"broken", problem(500, api.Internal, 0), 1, 0, 0, api.Internal},
		{"no such host", broken(&net.DNSError{IsNotFound: true}), 1, 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, n := over(t, tt.step)
				start := time.Now()
				_, err := c.ShowCredential(t.Context(), "crd_1")
				took := time.Since(start)
				if len(n.requests) != tt.requests || took < tt.least || took > tt.most {
					t.Errorf("%d requests in %s, want %d in %s to %s", len(n.requests), took, tt.requests, tt.least, tt.most)
				}
				p, isProblem := errors.AsType[*api.Problem](err)
				_, isUnreachable := errors.AsType[*client.Unreachable](err)
				if tt.code != "" && (!isProblem || p.Code != tt.code || p.RequestID != "req_1") || tt.code == "" && !isUnreachable {
					t.Errorf("the error is %#v", err)
				}
			})
		})
	}
}

// TestWhatTheServerWouldRefuseIsNotRepeated holds that nobody reads "not found" because the first
// deletion worked and its answer was lost.
func TestWhatTheServerWouldRefuseIsNotRepeated(t *testing.T) {
	for name, do := range map[string]func(context.Context, *client.Client) error{
		"create robot": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateRobot(ctx, "p", api.RobotOrder{Name: "x"})
			return err
		},
		"delete robot":   func(ctx context.Context, c *client.Client) error { return c.DeleteRobot(ctx, "usr_1") },
		"end session":    func(ctx context.Context, c *client.Client) error { return c.EndSession(ctx, "ses_1") },
		"end membership": func(ctx context.Context, c *client.Client) error { return c.RemoveVOMember(ctx, "climate", "vom_1") },
		"remove member": func(ctx context.Context, c *client.Client) error {
			_, err := c.RemoveMember(ctx, "p", "usr_1")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, n := over(t, broken(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), broken(io.ErrUnexpectedEOF))
				if err := do(t.Context(), c); err == nil || len(n.requests) != 2 {
					t.Errorf("%d requests, %v", len(n.requests), err)
				}
			})
		})
	}
}

func TestTheCallerCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := over(t, problem(503, api.Unavailable, 8))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.WhoAmI(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestTheTokensSourceSpeaksForItself(t *testing.T) {
	signedOut := errors.New("signed out")
	n := &network{steps: []func(*http.Request) (*http.Response, error){fine}}
	c, err := client.New("lanyard.example.org", client.Options{Transport: n, Token: func(context.Context) (material.Secret, error) { return "", signedOut }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WhoAmI(t.Context()); err != signedOut || len(n.requests) != 0 { //nolint:errorlint // unchanged is the promise
		t.Errorf("got %v after %d requests", err, len(n.requests))
	}
}

// TestWords pins what people read whose server does not answer. None of it may hold the token.
func TestWords(t *testing.T) {
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	plain := httptest.NewServer(http.RedirectHandler("https://new.example.org/api", http.StatusMovedPermanently))
	defer plain.Close()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	port := func(url string) string { return url[strings.LastIndex(url, ":"):] }

	for _, tt := range []struct {
		name, server string
		options      client.Options
		want         string
	}{
		{"nothing listens", "http://" + closed.Addr().String(), client.Options{}, "cannot reach " + closed.Addr().String() + ": connection refused; nothing listens there"},
		{"other name", "https://localhost" + port(tlsServer.URL), client.Options{}, "cannot reach localhost" + port(tlsServer.URL) + ": certificate is for example.com, *.example.com"},
		{"unknown authority", tlsServer.URL, client.Options{}, "cannot reach 127.0.0.1" + port(tlsServer.URL) + ": certificate is signed by an authority that this machine does not know"},
		{"no TLS", "https://127.0.0.1" + port(plain.URL), client.Options{}, "cannot reach 127.0.0.1" + port(plain.URL) + ": it does not speak TLS at this port; is it http:// in place of https://?"},
		{"no socket", "", client.Options{Socket: filepath.Join(t.TempDir(), "admin.sock")}, "admin.sock: there is no socket; is the server running on this machine?"},
		{"moved", plain.URL, client.Options{}, "answered 301 Moved Permanently, but not as a Lanyard server does"},
		{"no host", "no.example.org", transport(broken(&net.DNSError{IsNotFound: true})), "cannot reach no.example.org: there is no host of this name"},
		{"resolver down", "no.example.org", transport(broken(&net.DNSError{IsTemporary: true})), "cannot reach no.example.org: its name cannot be looked up now"},
		{"forbidden socket", "x.example.org", transport(broken(fs.ErrPermission)), "the socket is for root and the server's own user"},
		{"dial too slow", "x.example.org", transport(broken(&net.OpError{Op: "dial", Err: late{}})), "no connection within 5 seconds"},
		{"answer too slow", "x.example.org", transport(broken(late{})), "no answer in time"},
		{"cut", "x.example.org", transport(broken(io.ErrUnexpectedEOF)), "cannot reach x.example.org: the connection broke"},
		{"a proxy's page", "x.example.org", transport(answer(502, "text/html", "<h1>canary in a page</h1>")), "x.example.org answered 502 Bad Gateway, but not as a Lanyard server does"},
		{"not JSON", "x.example.org", transport(answer(200, "application/json", "<h1>")), "x.example.org answered what cannot be read; it may be of another version"},
		{"a problem", "x.example.org", transport(problem(404, api.NotFound, 0)), "the server says so"},
	} {
		test := func(t *testing.T) {
			tt.options.Token = client.StaticToken(canary)
			c, err := client.New(tt.server, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.WhoAmI(t.Context())
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Fatalf("got  %v\nwant %s", err, tt.want)
			}
			if all := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(all, "CANARY") || strings.Contains(all, "canary") {
				t.Errorf("the error holds what it must not: %s", all)
			}
		}
		t.Run(tt.name, func(t *testing.T) {
			if tt.options.Transport == nil { // a real connection
				test(t)
				return
			}
			synctest.Test(t, test)
		})
	}
}

type late struct{}

func (late) Error() string   { return "i/o timeout" }
func (late) Timeout() bool   { return true }
func (late) Temporary() bool { return true }

func transport(step func(*http.Request) (*http.Response, error)) client.Options {
	return client.Options{Transport: &network{steps: []func(*http.Request) (*http.Response, error){step}}}
}

func TestServers(t *testing.T) {
	for server, want := range map[string]string{
		"lanyard.example.org": "https://lanyard.example.org", "https://lanyard.example.org/": "https://lanyard.example.org",
		"http://localhost:8080": "http://localhost:8080", "http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://[::1]:8080": "http://[::1]:8080",
	} {
		if c, err := client.New(server, client.Options{}); err != nil || c.Server() != want {
			t.Errorf("%s: %v", server, err)
		}
	}
	for server, want := range map[string]string{
		"http://lanyard.example.org":              "is not encrypted",
		"ftp://lanyard.example.org":               "is not a server's address",
		"https://lanyard.example.org/portal":      "without path or user",
		"https://anna:CANARY@lanyard.example.org": "without path or user",
		"https://lany ard:CANARY@x":               "cannot be read",
		"":                                        "is not a server's address",
	} {
		_, err := client.New(server, client.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", server, err)
		}
	}
	if _, err := client.New("http://lanyard.example.org", client.Options{PlainHTTP: true}); err != nil {
		t.Error(err)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	c, n := over(t, fine)
	if _, err := c.SetMember(t.Context(), "a/b", "https://idp/sub?x#y", "user"); err != nil {
		t.Fatal(err)
	}
	if got := n.requests[0].URL.String(); got != "https://lanyard.example.org/api/v1/projects/a%2Fb/members/https:%2F%2Fidp%2Fsub%3Fx%23y" {
		t.Errorf("the address is %s", got)
	}
	for _, ref := range []string{"", ".", ".."} {
		if _, err := c.ShowCredential(t.Context(), ref); err == nil || len(n.requests) != 1 {
			t.Errorf("%q was asked for", ref)
		}
	}
}
