package oidcsocket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/lanyardhq/lanyard/internal/agent/oidcsocket"
)

// source has one token, and notes what it is asked for.
type source struct {
	mu    sync.Mutex
	asked []oidcsocket.Query
}

func (s *source) Token(_ context.Context, q oidcsocket.Query) (oidcsocket.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	switch q.Account {
	case "none":
		return oidcsocket.Token{}, &oidcsocket.Refusal{Text: oidcsocket.NoAccount, Info: "lanyard token approve none"}
	case "broken":
		return oidcsocket.Token{}, errors.New("it is <broken>")
	}
	return oidcsocket.Token{Access: "abc.def", Issuer: "https://wlcg.test/", ExpiresAt: time.Unix(1795250814, 0)}, nil
}

func (s *source) Accounts(context.Context) ([]string, error) { return []string{"t1"}, nil }

// serve runs a server and returns where it listens.
func serve(t testing.TB, change func(*oidcsocket.Server)) (path string, from *source) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ly") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	path, from = filepath.Join(dir, "s"), &source{}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := &oidcsocket.Server{Source: from, Version: "4.2.6", UID: os.Getuid(), Now: time.Now}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return path, from
}

func dial(t testing.TB, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// plain asks without encryption.
func plain(t testing.TB, path, request string) string {
	t.Helper()
	c := dial(t, path)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hello exchanges keys as the original's clients do.
func hello(t testing.TB, c net.Conn) *[32]byte {
	t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, base64.StdEncoding.EncodeToString(public[:])); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 44)
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(string(answer))
	if err != nil || len(raw) != 32 {
		t.Fatalf("the key is %q", answer)
	}
	key := new([32]byte)
	box.Precompute(key, (*[32]byte)(raw), private)
	return key
}

func seal(key *[32]byte, text string) string {
	var nonce [24]byte
	rand.Read(nonce[:])
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%d:%s:%s", len(text), b64(nonce[:]), b64(secretbox.Seal(nil, []byte(text), &nonce, key)))
}

// secret asks with encryption. The message is written in pieces of the size.
func secret(t testing.TB, path, request string, piece int) string {
	t.Helper()
	c := dial(t, path)
	key := hello(t, c)
	for m := []byte(seal(key, request)); len(m) > 0; {
		n, err := c.Write(m[:min(piece, len(m))])
		if err != nil {
			t.Fatal(err)
		}
		m = m[n:]
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), ":")
	if len(parts) != 3 {
		t.Fatalf("answered %s", text)
	}
	nonce, err1 := base64.StdEncoding.DecodeString(parts[1])
	sealed, err2 := base64.StdEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || len(nonce) != 24 || parts[0] != strconv.Itoa(len(sealed)-16) {
		t.Fatalf("answered %s", text)
	}
	opened, ok := secretbox.Open(nil, sealed, (*[24]byte)(nonce), key)
	if !ok {
		t.Fatal("the answer cannot be decrypted")
	}
	return string(opened)
}

// answers are what the original answers, word for word.
var answers = map[string]string{
	`{"request":"access_token","min_valid_period":0,"account":"wlcg","application_hint":"oidc-token"}`: `{"status":"success","access_token":"abc.def","issuer":"https://wlcg.test/","expires_at":1795250814}`,
	`{"issuer":"https://wlcg.test","request":"access_token"}`:                                          `{"status":"success","access_token":"abc.def","issuer":"https://wlcg.test/","expires_at":1795250814}`,
	`{"request":"access_token"}`:                       `{"status":"failure","error":"Not yet implemented","info":"name a grant; see: lanyard token list"}`,
	`{"request":"access_token","account":"none"}`:      `{"status":"failure","error":"No account configured with that short name","info":"lanyard token approve none"}`,
	`{"request":"access_token","account":"broken"}`:    `{"status":"failure","error":"it is <broken>"}`,
	`{"request":"check"}`:                              `{"status":"success"}`,
	`{"request":"loaded_accounts"}`:                    `{"status":"success","info":["t1"]}`,
	`{"request":"status_json"}`:                        `{"status":"success","info":{"version":"4.2.6","command_line_options":"","loaded_accounts":["t1"]}}`,
	`{"request":"id_token","account":"wlcg"}`:          `{"status":"failure","error":"operation forbidden"}`,
	`{"request":"gen"}`:                                `{"status":"failure","error":"operation forbidden"}`,
	`{"request":"file_read"}`:                          `{"status":"failure","error":"operation forbidden"}`,
	`{"request":"make_coffee"}`:                        `{"status":"failure","error":"Bad Request: Unknown request type."}`,
	`{}`:                                               `{"status":"failure","error":"Bad Request: Unknown request type."}`,
	`{"request":1}`:                                    `{"status":"failure","error":"Bad Request: could not parse json"}`,
	`{"request":"check","min_valid_period":1e400}`:     `{"status":"failure","error":"Bad Request: could not parse json"}`,
	`{"request":"check","more":[{"than":"expected"}]}`: `{"status":"success"}`,
}

func TestAnswers(t *testing.T) {
	path, _ := serve(t, nil)
	for request, want := range answers {
		if got := plain(t, path, request); got != want {
			t.Errorf("%s: %s", request, got)
		}
		for _, piece := range []int{1, 7, 1 << 20} {
			if got := secret(t, path, request, piece); got != want {
				t.Errorf("%s, encrypted, in pieces of %d: %s", request, piece, got)
			}
		}
	}
}

func TestQueries(t *testing.T) {
	path, from := serve(t, nil)
	for request, want := range map[string]string{
		`"account":"wlcg","min_valid_period":1800`:                    "{wlcg  [] [] 30m0s false}",
		`"account":"wlcg","min_valid_period":-1`:                      "{wlcg  [] [] 0s true}",
		`"account":"wlcg","min_valid_period":9000000000000000000`:     "{wlcg  [] [] 277777h46m40s false}",
		`"issuer":"https://x/","scope":"a  b","audience":"https://s"`: "{ https://x/ [a b] [https://s] 0s false}",
	} {
		plain(t, path, `{"request":"access_token",`+request+`}`)
		if got := fmt.Sprint(from.asked[len(from.asked)-1]); got != want {
			t.Errorf("%s: asked %s", request, got)
		}
	}
}

// TestHostile gets answers or is hung up on; nobody else is the worse for it.
func TestHostile(t *testing.T) {
	path, _ := serve(t, nil)
	key44 := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, m := range map[string]string{
		"nothing": "", "one letter": "x", "no key": strings.Repeat("!", 44), "a long key": key44 + key44, "no end": `{"request":"check"`, "too long": `{"request":"` + strings.Repeat("x", 80<<10),
		"much": strings.Repeat("}", 80<<10), "deep": strings.Repeat(`{"a":`, 10_000), "two objects": `{"request":"check"}{"request":"check"}`,
	} {
		c := dial(t, path)
		_, _ = io.WriteString(c, m) // it may hang up before
		_ = c.CloseWrite()
		text, _ := io.ReadAll(c)
		if bytes.Contains(text, []byte("success")) || len(text) > 0 && !json.Valid(text) {
			t.Errorf("%s: answered %q", name, text)
		}
	}
	for name, m := range map[string]func(*[32]byte) string{
		"no length":       func(*[32]byte) string { return ":a:b" },
		"a huge length":   func(*[32]byte) string { return "4294967295:" },
		"a long length":   func(*[32]byte) string { return "99999999999999999999:" },
		"a signed length": func(*[32]byte) string { return "+5:" },
		"another length":  func(k *[32]byte) string { return "1" + seal(k, `{"request":"check"}`) },
		"another key":     func(*[32]byte) string { return seal(new([32]byte), `{"request":"check"}`) },
		"changed":         func(k *[32]byte) string { return strings.Replace(seal(k, `{"request":"check"}`), "A", "B", 1) + "A" },
		"half":            func(k *[32]byte) string { return seal(k, `{"request":"check"}`)[:60] },
		"no JSON":         func(k *[32]byte) string { return seal(k, "check") },
		"no base64":       func(*[32]byte) string { return "1:" + strings.Repeat("*", 32) + ":" + strings.Repeat("*", 24) },
	} {
		c := dial(t, path)
		key := hello(t, c)
		_, _ = io.WriteString(c, m(key))
		_ = c.CloseWrite()
		text, _ := io.ReadAll(c)
		if name != "no JSON" && name != "changed" && !bytes.HasPrefix(text, []byte(`{"status":"failure","error":"Bad Request: `)) {
			t.Errorf("%s: answered %q", name, text)
		}
	}
	if got := plain(t, path, `{"request":"check"}`); got != `{"status":"success"}` {
		t.Errorf("afterwards: %s", got)
	}
}

// TestStrangers are hung up on: they get no token, whatever they ask.
func TestStrangers(t *testing.T) {
	path, from := serve(t, func(s *oidcsocket.Server) { s.UID = os.Getuid() + 1 })
	c := dial(t, path)
	_, _ = io.WriteString(c, `{"request":"access_token","account":"wlcg"}`)
	if text, _ := io.ReadAll(c); len(text) > 0 || len(from.asked) > 0 {
		t.Errorf("answered %q", text)
	}
}

// TestSlowClients are hung up on when their time is over.
func TestSlowClients(t *testing.T) {
	path, _ := serve(t, func(s *oidcsocket.Server) { s.Now = func() time.Time { return time.Now().Add(-time.Minute) } })
	if text, err := io.ReadAll(dial(t, path)); len(text) > 0 || err != nil {
		t.Errorf("answered %q, %v", text, err)
	}
}

func TestAsk(t *testing.T) {
	path, _ := serve(t, func(s *oidcsocket.Server) { s.Status = func() any { return []string{"fine"} } })
	if got, err := oidcsocket.Ask(t.Context(), path, oidcsocket.StatusRequest); string(got) != `["fine"]` || err != nil {
		t.Errorf("%s %v", got, err)
	}
	if _, err := oidcsocket.Ask(t.Context(), path, "gen"); err == nil || err.Error() != "operation forbidden" {
		t.Error(err)
	}
	if _, err := oidcsocket.Ask(t.Context(), path+"x", "check"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzParseRequest(f *testing.F) {
	for request := range answers {
		f.Add([]byte(request))
	}
	f.Add([]byte(strings.Repeat("[", 100_000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := oidcsocket.ParseRequest(text)
		if err != nil {
			return
		}
		q := r.Query()
		if q.MinValid < 0 || q.Force && q.MinValid > 0 || len(text) > 64<<10 {
			t.Errorf("%+v", q)
		}
	})
}

// FuzzConversation sends anything, in two messages. What is answered is a key, JSON, or both.
func FuzzConversation(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	f.Add([]byte(`{"request":"check"}`), []byte(""))
	f.Add([]byte(key), []byte("1:"+strings.Repeat("A", 32)+":"+strings.Repeat("A", 23)+"="))
	f.Add([]byte(key), []byte("99999:"))
	f.Add([]byte(key[:20]), []byte(key[20:]))
	f.Add([]byte(`{"request":`), []byte(`"loaded_accounts"}`))
	path, _ := serve(f, nil)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write(first)
		_, _ = c.Write(second)
		_ = c.CloseWrite()
		text, _ := io.ReadAll(c)
		if len(text) >= 44 && text[0] != '{' {
			text = text[44:]
		}
		if len(text) > 0 && !json.Valid(text) {
			t.Errorf("answered %q", text)
		}
	})
}
