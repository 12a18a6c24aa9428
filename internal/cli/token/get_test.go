package token_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/wlcg/bearer"
)

// TestGet prints the token alone, and asks the server once only.
func TestGet(t *testing.T) {
	p := newPerson(t)
	w := p.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc.def", time.Hour)})
	if got := p.must("get", "helmholtz"); got != "abc.def" || p.errs.Len() > 0 {
		t.Errorf("printed %q, %q", got, &p.errs)
	}
	if calls := w.asked(); len(calls) != 1 {
		t.Errorf("asked %v", calls)
	}
	p.terminal = true
	if got := p.must("get", "helmholtz"); got != "abc.def\n" {
		t.Errorf("printed %q on a terminal", got)
	}
	p.terminal = false
	if got := p.must("get", "helmholtz", "-o", "env"); got != "export BEARER_TOKEN=abc.def\n" {
		t.Errorf("printed %q", got)
	}
	if got := p.must("get", "helmholtz", "--json"); !strings.Contains(got, `"access_token":"abc.def"`) || !strings.Contains(got, `"expires_in":3600`) {
		t.Errorf("printed %s", got)
	}
	p.must("get", "helmholtz", "--min-valid", "30m")
	if calls := w.asked(); len(calls) > 0 {
		t.Errorf("asked %v though a token was ready", calls)
	}
	files, err := filepath.Glob(filepath.Join(p.env["XDG_RUNTIME_DIR"], "lanyard", "token-*.json"))
	if err != nil || len(files) != 1 || !strings.Contains(file(t, files[0]), "abc.def") {
		t.Errorf("kept in %v %v", files, err)
	}
}

// TestGetAsksAgain for what the kept token is not.
func TestGetAsksAgain(t *testing.T) {
	p := newPerson(t)
	w := p.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc", time.Hour), "GET /credentials": list(helmholtz("valid")),
		"POST /credentials/crd_H/token": access("abc", 15*time.Minute)})
	p.must("get", "helmholtz")
	w.asked()
	for _, tc := range []struct{ line, want string }{
		{"get helmholtz --force", "POST /credentials/helmholtz/token map[force:true]"},
		{"get helmholtz --min-valid 2h", "POST /credentials/helmholtz/token map[min_valid:7200]"},
		{"get helmholtz --min-valid 2h", ""}, // longer ones are not to be had
		{"get helmholtz --scope read", "POST /credentials/helmholtz/token map[scopes:[read]]"},
		{"get helmholtz --scope read", ""},
		{"get helmholtz --scope write --audience https://a --audience https://b", "POST /credentials/helmholtz/token map[audiences:[https://a https://b] scopes:[write]]"},
		{"get helmholtz --audience https://b --scope write --audience https://a", ""},
		{"get", "GET /credentials map[], POST /credentials/crd_H/token map[]"},
		{"get", ""}, // half of a short life is enough
		{"get --min-valid 14m", ""},
	} {
		p.must(strings.Fields(tc.line)...)
		var got []string
		for _, k := range w.asked() {
			got = append(got, fmt.Sprint(k.Line, " ", k.Body))
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("%s: asked %q", tc.line, got)
		}
	}
	p.must("get", "helmholtz", "--min-valid", "3h")
	p.sees(&p.errs, "! it lives only 1 hour: the provider gives no longer ones")
}

// TestGetIntoFiles writes what programs read, with no line break, and prints where.
func TestGetIntoFiles(t *testing.T) {
	p := newPerson(t)
	p.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc.def", time.Hour)})
	path := filepath.Join(t.TempDir(), "token")
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	if got := p.must("get", "helmholtz", "--file", path); got != path+"\n" {
		t.Errorf("printed %q", got)
	}
	if got := file(t, path); got != "abc.def" {
		t.Errorf("wrote %q", got)
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("a link at the place was followed")
	}
	want := p.env["XDG_RUNTIME_DIR"] + "/bt_u1000"
	if got := p.must("get", "helmholtz", "--bearer-file", "--json"); !strings.Contains(got, `"file":"`+want+`"`) || strings.Contains(got, "abc.def") {
		t.Errorf("printed %s", got)
	}
	if got, source, err := bearer.Discover(func(k string) string { return p.env[k] }, 1000); got != "abc.def" || source != want || err != nil {
		t.Errorf("found %q in %s: %v", got, source, err)
	}
	if got := p.must("get", "helmholtz", "--bearer-file", "-o", "env"); got != "export BEARER_TOKEN_FILE="+want+"\n" {
		t.Errorf("printed %q", got)
	}
	p.fails(console.Misuse, []string{"get", "helmholtz", "--bearer-file", "--file", path}, "exclude each other")
	p.fails(console.Misuse, []string{"get", "helmholtz", "--file", t.TempDir()}, "is not a file")
}

// TestNoToken tells in which of the states the grant is, and the one thing to do.
func TestNoToken(t *testing.T) {
	conflict := func(call) (int, any) {
		return 409, api.Problem{Code: api.Conflict, Detail: "it cannot be", RequestID: "r7"}
	}
	for _, tc := range []struct {
		name    string
		answers map[string]func(call) (int, any)
		line    string
		exit    console.Exit
		want    []string
	}{
		{"nothing approved", nil, "get helmholtz", console.NotFound, []string{"✗ Not here.", "lanyard token approve helmholtz"}},
		{"not yet approved", map[string]func(call) (int, any){"GET /credentials/helmholtz/grant": ok(helmholtz("absent"))}, "get helmholtz", console.AuthNeeded,
			[]string{"helmholtz: There is no approval yet.", "lanyard token approve helmholtz"}},
		{"revoked", map[string]func(call) (int, any){"GET /credentials/helmholtz/grant": ok(helmholtz("revoked"))}, "get helmholtz", console.AuthNeeded,
			[]string{"helmholtz: Revoked: it gives no more tokens until you approve again. invalid_grant", "lanyard token approve helmholtz", "(request r7)"}},
		{"expired", map[string]func(call) (int, any){"GET /credentials/helmholtz/grant": ok(helmholtz("expired"))}, "get helmholtz", console.AuthNeeded,
			[]string{"helmholtz: Expired since 1 hour: it gives no more tokens", "lanyard token approve helmholtz"}},
		{"paused", map[string]func(call) (int, any){"GET /credentials/helmholtz/grant": ok(helmholtz("paused"))}, "get helmholtz", console.Conflict,
			[]string{"helmholtz: Paused.", "lanyard token thaw helmholtz"}},
		{"valid, yet refused", map[string]func(call) (int, any){"GET /credentials/helmholtz/grant": ok(helmholtz("valid"))}, "get helmholtz", console.Conflict,
			[]string{"✗ It cannot be."}},
		{"none at all", map[string]func(call) (int, any){"GET /credentials": list()}, "get", console.NotFound, []string{"You have approved nothing yet.", "lanyard token list --providers"}},
		{"several", map[string]func(call) (int, any){"GET /credentials": list(helmholtz("valid"), api.Credential{ID: "crd_2", Name: "two words"})}, "get", console.Misuse,
			[]string{"Which of your grants?", "Name one: helmholtz (crd_H), 'two words' (crd_2)."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPerson(t)
			if tc.answers == nil {
				tc.answers = map[string]func(call) (int, any){}
			} else {
				tc.answers["POST /credentials/helmholtz/token"] = conflict
			}
			p.serve(tc.answers)
			p.fails(tc.exit, strings.Fields(tc.line), tc.want...)
		})
	}
}

// TestOutage hands out what is kept while the server does not answer, unless somebody needs more.
func TestOutage(t *testing.T) {
	p := newPerson(t)
	answers := map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc", 2*time.Minute)}
	p.serve(answers)
	p.must("get", "helmholtz")
	answers["POST /credentials/helmholtz/token"] = func(call) (int, any) {
		return 503, api.Problem{Code: api.Unavailable, Detail: "the provider does not answer"}
	}
	before := now
	defer func() { now = before }()
	now = now.Add(time.Minute)
	if got := p.must("get", "helmholtz"); got != "abc" {
		t.Errorf("printed %q", got)
	}
	p.fails(console.Unavailable, []string{"get", "helmholtz", "--min-valid", "90s"}, "The provider does not answer.")
	now = now.Add(time.Second)
	p.fails(console.Unavailable, []string{"get", "helmholtz"}, "The provider does not answer.")
}

// TestForgotten asks the server for what was revoked, frozen or narrowed here.
func TestForgotten(t *testing.T) {
	for _, line := range []string{"freeze helmholtz", "revoke helmholtz", "narrow helmholtz --scope read"} {
		p := newPerson(t)
		w := p.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc", time.Hour), "GET /credentials": list(helmholtz("valid")),
			"POST /credentials/crd_H/freeze": ok(helmholtz("paused")), "DELETE /credentials/crd_H": ok(helmholtz("valid")), "POST /credentials/crd_H/narrow": ok(helmholtz("valid"))})
		p.must("get", "helmholtz")
		p.must(strings.Fields(line)...)
		w.asked()
		p.must("get", "helmholtz")
		if calls := w.asked(); len(calls) != 1 {
			t.Errorf("%s: asked %v", line, calls)
		}
	}
}

// TestCacheOfOthers is not believed: what others can read, what cannot be read, and what was kept for
// another sign-in.
func TestCacheOfOthers(t *testing.T) {
	p := newPerson(t)
	w := p.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc", time.Hour)})
	for name, spoil := range map[string]func(path string) error{
		"readable":  func(path string) error { return os.Chmod(path, 0o644) },
		"damaged":   func(path string) error { return os.WriteFile(path, []byte(`{"token":`), 0o600) },
		"large":     func(path string) error { return os.Truncate(path, 1<<20) },
		"another's": func(string) error { p.env["LANYARD_TOKEN"] = "lyt_other"; return nil },
	} {
		p.must("get", "helmholtz")
		w.asked()
		files, err := filepath.Glob(filepath.Join(p.env["XDG_RUNTIME_DIR"], "lanyard", "token-*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			if err := spoil(f); err != nil {
				t.Fatal(err)
			}
		}
		p.must("get", "helmholtz")
		if calls := w.asked(); len(calls) != 1 {
			t.Errorf("%s: asked %v", name, calls)
		}
	}
}

// TestManyAtOnce has one of several processes ask the server.
func TestManyAtOnce(t *testing.T) {
	first := newPerson(t)
	w := first.serve(map[string]func(call) (int, any){"POST /credentials/helmholtz/token": access("abc", time.Hour)})
	var wg sync.WaitGroup
	for range 5 {
		p := &person{t: t, env: first.env}
		wg.Go(func() {
			if code := p.run("get", "helmholtz"); code != 0 || p.out.String() != "abc" {
				t.Errorf("exit code %d: %s%s", code, &p.out, &p.errs)
			}
		})
	}
	wg.Wait()
	if calls := w.asked(); len(calls) != 1 {
		t.Errorf("asked %d times", len(calls))
	}
}
