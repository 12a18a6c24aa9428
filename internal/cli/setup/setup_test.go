package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/setup"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

const secret = "Abcdefghij0123456789Abcdefghij0123456789"

// service hands out one key and remembers what became of it.
type service struct{ made, ended int }

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	k := api.Credential{ID: "crd_1", Name: "pair on x", State: "active", AccessKeyID: "LYD1", Endpoint: "http://s3", Region: "r"}
	switch {
	case r.Method == http.MethodDelete:
		s.ended++
		k.State = "ended"
	case strings.HasSuffix(r.URL.Path, "/credentials"):
		s.made++
		k.SecretAccessKey = secret
	}
	text, err := json.Marshal(k)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text))}, err
}

// pair is a client with two files.
type pair struct{ dir string }

func (pair) Name() string                               { return "pair" }
func (pair) Title() string                              { return "Pair" }
func (pair) Process() bool                              { return false }
func (pair) Snippet(deliver.Access) (path, text string) { return "", "" }
func (pair) Try(deliver.Access) string                  { return "pair ls" }

func (p pair) Write(_ deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	edit := func(name, text string) deliver.Edit {
		return deliver.Edit{Path: filepath.Join(p.dir, name), Apply: func(old []byte) ([]byte, error) {
			return []byte(strings.ReplaceAll(string(old), text, "") + text), nil
		}}
	}
	return []deliver.Edit{edit("config", "endpoint="+a.Endpoint+"\n"), edit("credentials", "secret="+a.Keys.SecretAccessKey.Reveal()+"\n")}, nil
}

func (p pair) Remove(deliver.Home, deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: filepath.Join(p.dir, "credentials"), Apply: func([]byte) ([]byte, error) { return nil, nil }}}, nil
}

func (p pair) Test(_ deliver.Home, _ deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"true", candidate[filepath.Join(p.dir, "credentials")]}}
}

// newSetup returns a setup of pair whose try does what run says.
func newSetup(t *testing.T, run func(context.Context, deliver.Command) setup.Ran) (*setup.Setup, *service, setup.Order, string) {
	t.Helper()
	s, dir := &service{}, t.TempDir()
	c, err := client.New("https://lanyard.test", client.Options{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("mine=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &setup.Setup{Client: c, Host: "x", Dir: filepath.Join(dir, "state"), Now: func() time.Time { return time.Date(2026, 11, 21, 14, 35, 0, 0, time.UTC) },
		Run: run}, s, setup.Order{Target: pair{dir}, Project: "p", Name: "n"}, dir
}

func passes(context.Context, deliver.Command) setup.Ran { return setup.Ran{Stdout: "a\nb\n\n"} }

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range []string{"config", "credentials"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			got[name] = string(text)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".lanyard-*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
	return got
}

var untouched = map[string]string{"config": "mine=1\n"}

func TestWriteTriesThenReplacesThenReuses(t *testing.T) {
	var tried string
	s, keys, o, dir := newSetup(t, func(_ context.Context, c deliver.Command) setup.Ran {
		text, err := os.ReadFile(c.Args[1])
		tried = string(text)
		return setup.Ran{Stdout: "a\nb\n\n", Err: err}
	})
	r, err := s.Write(t.Context(), o)
	if err != nil || tried != "secret="+secret+"\n" || r.Lines != 2 || !r.Tested || !r.KeyMade || r.Files[0].Backup == "" || r.Files[1].Backup != "" {
		t.Fatalf("%+v %v, tried %q", r, err, tried)
	}
	written := content(t, dir)
	if diff := cmp.Diff(map[string]string{"config": "mine=1\nendpoint=http://s3\n", "credentials": "secret=" + secret + "\n"}, written); diff != "" {
		t.Error(diff)
	}
	if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("the report holds the secret: %s %v", text, err)
	}
	memory, err := filepath.Glob(filepath.Join(dir, "state", "*"))
	if err != nil || len(memory) != 1 {
		t.Fatal(memory, err)
	}
	if text, err := os.ReadFile(memory[0]); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("the memory holds the secret: %s %v", text, err)
	}

	r, err = s.Write(t.Context(), o)
	if err != nil || r.KeyMade || keys.made != 1 || r.Files[0].Changed || r.Files[1].Changed {
		t.Errorf("the second time: %+v %v, %d keys", r, err, keys.made)
	}

	// Somebody put another secret into the file: the old key cannot be used again.
	if err := os.WriteFile(filepath.Join(dir, "credentials"), []byte("secret=other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = s.Write(t.Context(), o); err != nil || !r.KeyMade || keys.made != 2 {
		t.Errorf("without the secret: %+v %v", r, err)
	}
	if r, err = s.Remove(t.Context(), o, true); err != nil || keys.ended != 1 || r.Key == nil {
		t.Errorf("%+v %v", r, err)
	}
}

func TestWhatFailsLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(dir string) func(context.Context, deliver.Command) setup.Ran
		want func(error) bool
	}{
		"the client is refused": {func(string) func(context.Context, deliver.Command) setup.Ran {
			return func(context.Context, deliver.Command) setup.Ran {
				return setup.Ran{Stderr: "403 for secret=" + secret, Err: errors.New("exit status 1")}
			}
		}, func(err error) bool {
			e, ok := errors.AsType[*setup.TestError](err)
			return ok && !e.Missing && strings.HasPrefix(e.Output, "403") && !strings.Contains(e.Output, secret)
		}},
		"a module is missing": {func(string) func(context.Context, deliver.Command) setup.Ran {
			return func(context.Context, deliver.Command) setup.Ran {
				return setup.Ran{Stderr: "ModuleNotFoundError: No module named 'boto3'", Err: errors.New("exit status 1")}
			}
		}, func(err error) bool {
			e, ok := errors.AsType[*setup.TestError](err)
			return ok && e.Missing
		}},
		"the second file was changed meanwhile": {func(dir string) func(context.Context, deliver.Command) setup.Ran {
			return func(context.Context, deliver.Command) setup.Ran {
				return setup.Ran{Err: os.WriteFile(filepath.Join(dir, "credentials"), []byte("theirs"), 0o600)}
			}
		}, func(err error) bool { return fault.CodeOf(err) == fault.Conflict }},
	} {
		t.Run(name, func(t *testing.T) {
			var dir string
			s, keys, o, d := newSetup(t, func(ctx context.Context, cmd deliver.Command) setup.Ran { return c.run(dir)(ctx, cmd) })
			dir = d
			if _, err := s.Write(t.Context(), o); !c.want(err) {
				t.Errorf("got %v", err)
			}
			got := content(t, dir)
			delete(got, "credentials")
			if diff := cmp.Diff(untouched, got); diff != "" {
				t.Error(diff)
			}
			if keys.made != 1 || keys.ended != 1 {
				t.Errorf("%d keys made, %d ended", keys.made, keys.ended)
			}
		})
	}
}

func TestClientThatHangsIsStopped(t *testing.T) {
	s, keys, o, dir := newSetup(t, func(ctx context.Context, _ deliver.Command) setup.Ran {
		<-ctx.Done()
		return setup.Ran{Err: ctx.Err()}
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := s.Write(t.Context(), o)
		if fault.CodeOf(err) != fault.Unavailable || time.Since(begin) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
	if diff := cmp.Diff(untouched, content(t, dir)); diff != "" || keys.ended != 1 {
		t.Error(diff, keys.ended)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	s, keys, o, dir := newSetup(t, passes)
	o.DryRun = true
	r, err := s.Write(t.Context(), o)
	if err != nil || keys.made != 0 || r.Files[0].Diff != "+endpoint=(the server's)\n" || r.Files[1].Diff != "+secret=[hidden]\n" {
		t.Errorf("%+v %v", r, err)
	}
	if diff := cmp.Diff(untouched, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestDiffHidesSecrets(t *testing.T) {
	old := "[a]\nkey = 1\nsecret_access_key = 0ld/Secret\n[b]\nx\n"
	fresh := "[a]\nkey = 2\nsecret_access_key = " + secret + "\n[b]\nx\n\"secretKey\": \"abc\",\nexport AWS_SECRET_ACCESS_KEY='a b'\n"
	want := "-key = 1\n-secret_access_key = [hidden]\n+key = 2\n+secret_access_key = [hidden]\n+\"secretKey\": [hidden],\n+export AWS_SECRET_ACCESS_KEY=[hidden]\n"
	if diff := cmp.Diff(want, setup.Diff([]byte(old), []byte(fresh), secret)); diff != "" {
		t.Error(diff)
	}
	if got := setup.Diff([]byte(old), []byte(old), ""); got != "" {
		t.Errorf("nothing changed, yet %q", got)
	}
	if got := setup.Hide("refused "+secret, material.Secret("")); strings.Contains(got, secret) {
		t.Error(got)
	}
}
