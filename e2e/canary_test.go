package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNoSecretLeaks uses every sort of secret there is, and then looks for each, raw and encoded,
// where none may be: the database and everything else in the data directory, the logs, the
// command lines and environments of all processes, the texts of errors.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{extra: "log: {level: debug}\n"})
	watch, stop := context.WithCancel(t.Context())
	lines := watchProcesses(watch)
	anna := s.signIn("anna")
	robot, token := anna.robot(projectA)
	secrets := map[string]string{"robot token": token.Reveal(), "password": s.password["anna"]}
	for _, c := range s3clients(t)[:1] {
		anna.configured(c, projectA, "leak", "--static")
		anna.do(c, c.mb(anna, "leak", "data")).ok(t)
	}
	anna.run(command{args: []string{"exec", "--project", projectA, "--", "true"}}).ok(t)
	anna.run(command{args: []string{"aws-credential-process", "--project", projectA}}).ok(t)
	web := &http.Client{Timeout: patience}
	var texts strings.Builder
	for _, name := range []string{"used", "frozen", "deleted"} {
		k := createKey(t, robot, projectA, name)
		secrets["secret of "+name] = k.SecretAccessKey.Reveal()
		var err error
		switch name {
		case "frozen":
			_, err = robot.FreezeCredential(t.Context(), k.ID)
		case "deleted":
			_, err = robot.DeleteCredential(t.Context(), k.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/data", "/absent/x", "/data/..%2f..", "/" + k.SecretAccessKey.Reveal()[:0] + "data?policy"} {
			_, answer, err := signed(t.Context(), web, k, http.MethodPut, s.s3+path, "x")
			texts.WriteString(answer)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	// Tokens in the wrong place, a wrong password, a body that is none.
	for _, c := range []command{
		{args: []string{"whoami"}, env: []string{"LANYARD_TOKEN=" + token.Reveal()[:len(token)-2] + "xx"}},
		{args: []string{"login", "--with-token"}, stdin: token.Reveal() + "x"},
		{args: []string{"--debug", "project", "list"}},
		{args: []string{"s3", "key", "show", "absent"}, env: []string{"LANYARD_TOKEN=" + token.Reveal()}},
	} {
		r := anna.run(c)
		texts.WriteString(r.out + r.err)
	}
	page, err := anna.jar.PostForm(s.portal+"/login/local", url.Values{"user": {s.password["anna"] + "x"}, "password": {s.password["anna"]}})
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	// What the command line keeps in the home directory is found there, and only there.
	for _, text := range files(t, anna.home) {
		for _, token := range regexp.MustCompile(`lyt_[A-Za-z0-9_]{20,}`).FindAllString(text, -1) {
			secrets["token "+token[:8]+" of the command line"] = token
		}
		for _, secret := range regexp.MustCompile(`(?m)^secret_key = (\S+)`).FindAllStringSubmatch(text, -1) {
			secrets["secret of s3cmd"] = secret[1]
		}
	}
	if len(secrets) < 7 {
		t.Errorf("only %d secrets were found in use", len(secrets))
	}
	stop()
	s.stop()
	for place, text := range files(t, filepath.Join(s.dir, "data")) {
		search(t, "the file "+place, text, secrets)
	}
	search(t, "the server's log", s.log.String(), secrets)
	search(t, "error texts", texts.String(), secrets)
	search(t, "command lines and environments", lines(), secrets)
	if len(find(strings.Join(values(files(t, anna.home)), "\n"), secrets)) == 0 {
		t.Error("the search finds nothing even where secrets are")
	}
}

func search(t *testing.T, place, text string, secrets map[string]string) {
	t.Helper()
	for _, name := range find(text, secrets) {
		t.Errorf("%s is in %s", name, place)
	}
}

// find names the secrets that stand in text: raw, in hexadecimal or in any alignment of base64.
func find(text string, secrets map[string]string) (found []string) {
	for name, s := range secrets {
		forms := []string{s, hex.EncodeToString([]byte(s)), url.QueryEscape(s)}
		for shift := range 3 {
			e := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			forms = append(forms, e[4:len(e)-4]) // without what the neighbours decide
		}
		for _, f := range forms {
			if strings.Contains(text, f) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		texts[p] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func values(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// watchProcesses collects the command lines of all processes, and the environments of all but
// this test's own children that were handed a token there on purpose, until ctx ends.
func watchProcesses(ctx context.Context) func() string {
	var mu sync.Mutex
	seen := map[string]bool{}
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, name := range names {
				line, _ := os.ReadFile(name)
				mu.Lock()
				seen[string(line)] = true
				if bytes.Contains(line, []byte("serve")) || bytes.HasSuffix(line, []byte("engine\x00")) {
					env, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "environ"))
					seen[string(env)] = true
				}
				mu.Unlock()
			}
			time.Sleep(10 * time.Millisecond) // programs live longer
		}
	})
	return func() string {
		done.Wait()
		var all strings.Builder
		for line := range seen {
			all.WriteString(strings.ReplaceAll(line, "\x00", " ") + "\n")
		}
		return all.String()
	}
}
