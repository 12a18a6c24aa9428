package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
)

// TestLUMIFiles lets clients work with the files that lumio-conf writes, as it writes them: the
// endpoint with its scheme, https, signature version 2 for s3cmd, options that no client knows,
// and a remote that publishes.
func TestLUMIFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{tls: true})
	anna := s.signIn("anna")
	robot, _ := anna.robot(projectA)
	k := createKey(t, robot, projectA, "lumio-conf")
	id, secret := k.AccessKeyID, k.SecretAccessKey.Reveal()
	name := "lumi-" + projectA
	remote := func(suffix, acl string) string {
		return fmt.Sprintf(`[%s%s]
acl               = %s
type              = s3
provider          = Ceph
env_auth          = false
max_upload_parts  = 1000
project_id        = %s
access_key_id     = %s
secret_access_key = %s
endpoint          = %s

`, name, suffix, acl, projectA, id, secret, s.s3)
	}
	s3cfg := fmt.Sprintf(`[%s]
access_key           = %s
secret_key           = %s
host_base            = %s
host_bucket          = %s
human_readable_sizes = True
enable_multipart     = True
signature_v2         = True
use_https            = True
signurl_use_https    = True
chunk_size           = 15
project_id           = %s
`, name, id, secret, s.s3, s.s3, projectA)
	for path, text := range map[string]string{
		".config/rclone/rclone.conf": remote("-private", "private") + remote("-public", "public-read"),
		".s3cfg-" + name:             s3cfg,
		".s3cfg":                     s3cfg,
		".aws/credentials":           fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\nservices = %s\nproject_id = %s\n", name, id, secret, name, projectA),
		".aws/config":                fmt.Sprintf("[services %s]\ns3 =\n  endpoint_url = %s\n  multipart_chunksize = 15\n", name, s.s3),
	} {
		path = filepath.Join(anna.home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(s.dir, "ca.crt")
	trust := []string{"SSL_CERT_FILE=" + ca, "AWS_CA_BUNDLE=" + ca, "REQUESTS_CA_BUNDLE=" + ca}
	do := func(program string, args ...string) result {
		env := trust
		if program == "rclone" {
			env = []string{"SSL_CERT_FILE=" + ca}
		}
		return anna.run(command{program: program, args: args, env: env})
	}
	file := filepath.Join(anna.home, "file")
	randomFile(t, file, 20<<20)
	// What lumio-conf itself runs to see whether its files are right. Its two seconds may be too few on
	// a busy machine, but not always.
	for _, line := range [][]string{
		{"s3cmd", "-c", filepath.Join(anna.home, ".s3cfg-"+name), "ls", "s3:"},
		{"rclone", "lsd", name + "-private:", "--contimeout", "2s", "--timeout", "2s", "--low-level-retries", "1", "--retries", "1"},
		{"aws", "s3", "ls", "--profile", name, "--endpoint-url", s.s3, "--cli-read-timeout", "2", "--cli-connect-timeout", "2"},
	} {
		r := do(line[0], line[1:]...)
		for range 4 {
			if r.code != 0 {
				r = do(line[0], line[1:]...)
			}
		}
		r.ok(t)
	}

	do("s3cmd", "mb", "s3://by-s3cmd").ok(t)
	do("s3cmd", "put", "--no-progress", file, "s3://by-s3cmd/file").ok(t) // in parts, each signed with version 2
	do("s3cmd", "get", "--no-progress", "--force", "s3://by-s3cmd/file", file+".back").ok(t)
	if checksum(t, file) != checksum(t, file+".back") {
		t.Error("s3cmd brought back something else")
	}
	link := strings.TrimSpace(do("s3cmd", "signurl", "s3://by-s3cmd/file", "+60").ok(t))
	if out := do("curl", "-sf", "--cacert", ca, "-o", file+".curl", link); out.code != 0 || checksum(t, file) != checksum(t, file+".curl") {
		t.Errorf("curl by s3cmd's URL: %d %s", out.code, out.err)
	}
	// The public remote publishes, bucket and object; the private one does not.
	do("rclone", "copyto", file, name+"-public:open/file").ok(t)
	do("rclone", "copyto", file, name+"-private:closed/file").ok(t)
	anonymous := func(path string) int {
		r := do("curl", "-s", "--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}", s.s3+"/"+projectA+":"+path)
		var status int
		if _, err := fmt.Sscan(r.out, &status); err != nil {
			t.Fatal(err)
		}
		return status
	}
	for path, want := range map[string]int{"open/file": 200, "open": 200, "closed/file": 403, "closed": 403, "by-s3cmd/file": 403, "absent/file": 403} {
		if got := anonymous(path); got != want {
			t.Errorf("anonymous GET of %s is answered %d, want %d", path, got, want)
		}
	}
	// By the project's own host too, as people pass links on.
	r := do("curl", "-s", "--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}", "--resolve", projectA+".s3.example.org:"+port(t, s.s3)+":127.0.0.1", "https://"+projectA+".s3.example.org:"+port(t, s.s3)+"/open/file")
	if r.out != "200" {
		t.Errorf("by the project's host: %s %s", r.out, r.err)
	}
	do("s3cmd", "setacl", "--acl-private", "s3://open/file").ok(t)
	if got := anonymous("open/file"); got != http.StatusForbidden {
		t.Errorf("after setacl --acl-private it is answered %d", got)
	}
	do("s3cmd", "setacl", "--acl-public", "s3://by-s3cmd/file").ok(t)
	if got := anonymous("by-s3cmd/file"); got != http.StatusOK {
		t.Errorf("after setacl --acl-public it is answered %d", got)
	}
}

func port(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// TestTemplates downloads every client's configuration from the API: with the secret where the
// operator shows it again, and with what to do where not.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, reveal := range []string{"once", "always"} {
		t.Run(reveal, func(t *testing.T) {
			s := newSite(t, settings{extra: "reveal: " + reveal + "\n"})
			anna := s.signIn("anna")
			robot, token := anna.robot(projectA)
			k := createKey(t, robot, projectA, "templates")
			list, err := robot.ListConfigurations(t.Context(), k.ID)
			if err != nil || len(list.Items) < 8 {
				t.Fatalf("%d configurations, %v", len(list.Items), err)
			}
			for _, c := range list.Items {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.portal+"/api/v1/credentials/"+k.ID+"/configurations/"+c.Client, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token.Reveal())
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), k.AccessKeyID) {
					t.Errorf("%s: %s %v\n%s", c.Client, resp.Status, err, text)
				}
				if has := strings.Contains(string(text), k.SecretAccessKey.Reveal()); has != (reveal == "always") {
					t.Errorf("%s: the secret is there: %v\n%s", c.Client, has, text)
				}
			}
		})
	}
}

// TestOperatorStopsEverything freezes a person, and everything of theirs stops with one command.
func TestOperatorStopsEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	anna, ben := s.signIn("anna"), s.signIn("ben")
	c := s3clients(t)[0]
	ben.configured(c, projectA, "mine", "--static")
	ben.do(c, c.mb(ben, "mine", "data")).ok(t)
	admin := func(args ...string) string {
		return s.run(command{args: append(append([]string{"admin"}, args...), "--data-dir", filepath.Join(s.dir, "data"))}).ok(t)
	}
	var people api.List[api.Account]
	if err := json.Unmarshal([]byte(admin("person", "list", "--json")), &people); err != nil {
		t.Fatal(err)
	}
	var id string
	for _, p := range people.Items {
		if p.Subject == "ben" {
			id = p.ID
		}
	}
	receipt := admin("person", "freeze", id, "--reason", "lost laptop", "--yes")
	if !strings.Contains(receipt, "s3cmd on") {
		t.Errorf("the receipt does not name the key that stopped: %s", receipt)
	}
	ben.do(c, c.ls(ben, "mine", "data")).fails(t, "403")
	if r := ben.run(command{args: []string{"whoami"}}); r.code != 4 && r.code != 5 {
		t.Errorf("ben is still signed in: %d %s%s", r.code, r.out, r.err)
	}
	anna.lanyard("project", "list")
	admin("person", "thaw", id)
	ben.do(c, c.ls(ben, "mine", "data")).ok(t)
}
