package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// newNginx runs nginx in front of portal and S3, as the guide for operators says, and returns its
// addresses for them. It calls from 127.0.0.9.
func newNginx(t *testing.T, s *site) (portal, s3 string) {
	t.Helper()
	guide, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	location := regexp.MustCompile(`(?ms)^    location / \{$.*?^    \}$`).FindString(string(guide))
	dir, ports := t.TempDir(), freePorts(t, 2)
	portal, s3 = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	text := fmt.Sprintf("daemon off;\nmaster_process off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n  proxy_bind 127.0.0.9;\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += fmt.Sprintf("  %s_temp_path %s/%[1]s;\n", kind, dir)
	}
	for at, behind := range map[string]string{portal: s.portal, s3: s.s3} {
		behind = strings.Replace(behind, "localhost", "127.0.0.1", 1)
		text += fmt.Sprintf("  server {\n    listen %s;\n%s\n  }\n", at, strings.Replace(location, "http://127.0.0.1:8080", behind, 1))
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", file)
	out := &journal{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make test installs nginx", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx: %s\n%s", out, text)
		}
	})
	wait(t, patience, "nginx", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", portal)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return portal, s3
}

// clientFrom calls from an address of the loopback.
func clientFrom(address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

// TestReverseProxy is a mytoken that holds for one address: where people and jobs come from counts,
// whatever they say, and not the proxy that all of them come through.
func TestReverseProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{extra: fmt.Sprintf(`trusted_proxies: [127.0.0.9]
providers: [{id: lanyard, type: lanyard, scopes: ["storage.read:/climate"]}]
tokens:
  audiences: [{name: "https://storage.example.org"}]
  default_audience: https://storage.example.org
  rules: [{project: %q, scopes: ["storage.read:/climate"]}]
`, projectA)})
	front, s3 := newNginx(t, s)
	direct := strings.TrimPrefix(s.portal, "http://")
	anna := s.signIn("anna")

	// ask sends a request from an address of the loopback to a server, with a header that lies.
	ask := func(from, to, path, lie string, body map[string]any) (int, map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+to+"/mytoken/api/v0/token/"+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = direct
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", lie)
		resp, err := clientFrom(from).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got map[string]any
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&got); err != nil {
			t.Fatal(resp.Status, err)
		}
		return resp.StatusCode, got
	}

	const job, other = "127.0.0.2", "127.0.0.3"
	_, flow := ask(job, front, "my", other, map[string]any{"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "oidc_issuer": s.portal,
		"name": "job", "restrictions": []map[string]any{{"hosts": []string{"this"}}}})
	page, _ := flow["consent_uri"].(string)
	anna.agrees(page)
	_, got := ask(job, front, "my", other, map[string]any{"grant_type": "polling_code", "polling_code": flow["polling_code"]})
	for _, tt := range []struct {
		from, to, lie string
		status        int
	}{
		{job, front, other, http.StatusOK},
		{other, front, job, http.StatusForbidden},
		{other, front, job + ", 127.0.0.9", http.StatusForbidden},
		{other, direct, job, http.StatusForbidden},
		{job, direct, other, http.StatusOK},
	} {
		status, answer := ask(tt.from, tt.to, "access", tt.lie, map[string]any{"grant_type": "mytoken", "mytoken": got["mytoken"]})
		if status != tt.status {
			t.Errorf("from %s at %s, claiming %s: %d %v", tt.from, tt.to, tt.lie, status, answer)
		}
	}
	if sub := anna.shows("lanyard").Subgrants; len(sub) != 1 || sub[0].Address != job {
		t.Errorf("passed on: %+v", sub)
	}

	// Signatures hold through the proxy, and the log has the client's address.
	robot, _ := anna.robot(projectA)
	key := createKey(t, robot, projectA, "behind-a-proxy")
	for request, want := range map[string]int{"PUT /behind-a-proxy": http.StatusOK, "GET /nothing-here": http.StatusNotFound} {
		method, path, _ := strings.Cut(request, " ")
		if status, answer, err := signed(t.Context(), clientFrom("127.0.0.4"), key, method, "http://"+s3+path, ""); status != want || err != nil {
			t.Errorf("%s at S3: %d %s %v", request, status, answer, err)
		}
	}
	for _, line := range []string{"address=" + job, "address=" + other, "address=127.0.0.4"} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("%s is not in the log", line)
		}
	}
	if strings.Contains(s.log.String(), "address=127.0.0.9") {
		t.Error("the log shows the proxy")
	}
}
