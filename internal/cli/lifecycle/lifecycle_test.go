package lifecycle_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// kept are the credentials of the person at the server.
func kept() []api.Credential {
	one := func(id, kind, name string) api.Credential {
		return api.Credential{ID: id, Kind: kind, Name: name, Project: "p1", State: "active", ExpiresAt: now.Add(time.Hour)}
	}
	used := one("crd_5", "proxy", "in use")
	used.LastUsedAt, used.LastUsedBy = now.Add(-time.Minute), "xrootd"
	return []api.Credential{one("crd_1", "proxy", "nightly"), one("crd_2", "proxy", "twice"), one("crd_3", "proxy", "twice"), one("crd_4", "s3key", "a key"), used}
}

// run types one of the commands and returns what it printed and how it ended.
func run(t *testing.T, answer string, args ...string) (out, errs string, exit console.Exit) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, id, _ := strings.Cut(r.URL.Path, "/credentials/")
		id, verb, _ := strings.Cut(id, "/")
		w.Header().Set("Content-Type", "application/json")
		if id == "" {
			var own []api.Credential
			for _, k := range kept() {
				if k.Kind == r.URL.Query().Get("kind") {
					own = append(own, k)
				}
			}
			_ = json.NewEncoder(w).Encode(api.List[api.Credential]{Items: own, ServerTime: now})
			return
		}
		for _, k := range kept() {
			if k.ID == id {
				if verb == "freeze" || r.Method == http.MethodDelete {
					k.RefusedSince = now
				}
				_ = json.NewEncoder(w).Encode(k)
				return
			}
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(api.Problem{Status: 404, Code: api.NotFound, Detail: "there is no credential " + id})
	}))
	defer server.Close()
	env := map[string]string{"LANG": "en_US.UTF-8", "HOME": t.TempDir(), "LANYARD_SERVER": server.URL, "LANYARD_TOKEN": "lyt_test"}
	var stdout, stderr bytes.Buffer
	c := &console.Console{Streams: console.Streams{In: strings.NewReader(answer), Out: &stdout, Err: &stderr, InTerminal: answer != ""},
		Getenv: func(k string) string { return env[k] }, Now: func() time.Time { return now }, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	c.Output = "table"
	n := lifecycle.Noun{Console: c, Kind: "proxy", Word: "proxy", Path: "lanyard proxy", Example: "nightly", Refused: "the server"}
	root := &cobra.Command{Use: "proxy", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(n.List(func([]api.Credential, bool) {}), n.Extend(), n.Freeze(), n.Thaw(), n.Delete())
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		exit = c.Report(err)
	}
	return stdout.String(), stderr.String(), exit
}

// TestWhichOneIsMeant finds credentials by id and by name, and says what to type where that fails.
func TestWhichOneIsMeant(t *testing.T) {
	for line, want := range map[string]string{
		"freeze nightly": "✓ nightly is frozen: refused by the server since 12:00:00",
		"freeze crd_1":   "✓ nightly is frozen",
		"thaw nightly":   "✓ nightly works again and ends in 1 hour",
		"freeze twice":   "✗ Cannot freeze twice: 2 of your proxies are called \"twice\".\n  Name one by its id: crd_2, crd_3.\n",
		"freeze none":    "✗ Cannot freeze none: you have no proxy that is called \"none\".\n  see: lanyard proxy list --all\n",
		"freeze crd_4":   "✗ Cannot freeze crd_4: crd_4 is no proxy.\n  see: lanyard proxy list\n",
		"freeze crd_9":   "✗ Cannot freeze crd_9: there is no credential crd_9.\n",
		"freeze":         "✗ The proxy is missing",
	} {
		out, errs, exit := run(t, "", strings.Fields(line)...)
		if !strings.Contains(out+errs, want) || (exit == 0) != strings.HasPrefix(want, "✓") {
			t.Errorf("%s: exit code %d\n%s%swant %s", line, exit, out, errs, want)
		}
	}
}

// TestSeveralAtOnce treats those that it can, and says of each other what is wrong.
func TestSeveralAtOnce(t *testing.T) {
	out, errs, exit := run(t, "", "freeze", "nightly", "none", "crd_2")
	if exit != console.Partial || strings.Count(out, " is frozen") != 2 || !strings.Contains(errs, "Cannot freeze none") || !strings.Contains(errs, "Not all proxies could be treated") {
		t.Errorf("exit code %d\n%s%s", exit, out, errs)
	}
}

// TestDeletingWhatIsInUse asks for the name, so that nobody ends running work by a slip.
func TestDeletingWhatIsInUse(t *testing.T) {
	out, errs, exit := run(t, "in use\n", "delete", "in use")
	if exit != 0 || !strings.Contains(errs, "was used 1 min ago by xrootd") || !strings.Contains(out, "✓ in use is deleted: refused by the server since 12:00:00 · last accepted use 11:59:00") {
		t.Errorf("exit code %d\n%s%s", exit, out, errs)
	}
	if out, errs, exit := run(t, "something else\n", "delete", "in use"); exit == 0 || strings.Contains(out, "deleted") {
		t.Errorf("another name: exit code %d\n%s%s", exit, out, errs)
	}
	if out, errs, exit := run(t, "", "delete", "in use"); exit == 0 || !strings.Contains(errs, "--yes") {
		t.Errorf("nobody there to answer: exit code %d\n%s%s", exit, out, errs)
	}
}
