package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
)

// TestGuides runs every indented command of the guides, in order, as the people they are for.
func TestGuides(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	s := newSite(t, settings{extra: fmt.Sprintf(`grid: {online_ca: {enabled: true}}
vos:
  - {name: climate, host: localhost, port: %s, listen: "127.0.0.1:%s", project: "%s", groups: [{name: /climate/ocean}], members: [{project: "%s"}]}
providers: [{id: lanyard, type: lanyard, scopes: ["storage.read:/climate"]}]
tokens:
  audiences: [{name: "https://storage.example.org"}]
  default_audience: https://storage.example.org
  rules: [{project: "%s", scopes: ["storage.read:/climate"]}]
`, port, port, projectA, projectA, projectA)})
	anna := s.signIn("anna")
	peers := "PATH=" + filepath.Dir(binary) + ":/usr/bin:" + os.Getenv("LANYARD_PEERS") + ":" + os.Getenv("PATH")
	for _, line := range commands(t, "../docs/users.md") {
		anna.run(command{program: "/bin/sh", args: []string{"-ec", line}, env: []string{peers, "X509_USER_PROXY=" + filepath.Join(anna.home, "proxy.pem")}}).ok(t)
	}
	var people api.List[api.Account]
	data := filepath.Join(s.dir, "data")
	if err := json.Unmarshal([]byte(s.run(command{args: []string{"admin", "person", "list", "--json", "--data-dir", data}}).ok(t)), &people); err != nil || len(people.Items) == 0 {
		t.Fatal("nobody is there", err)
	}
	for _, line := range commands(t, "../docs/operators.md") {
		if strings.HasPrefix(line, "lanyard serve") {
			continue // it runs already
		}
		line = strings.ReplaceAll(line, "lanyard admin", "lanyard admin --data-dir "+data)
		s.run(command{program: "/bin/sh", args: []string{"-ec", line}, env: []string{peers, "PERSON=" + people.Items[0].ID}}).ok(t)
	}
}

// commands are the indented lines of a page that a shell can run.
func commands(t *testing.T, page string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		command, indented := strings.CutPrefix(line, "    ")
		word, _, _ := strings.Cut(command, " ")
		if indented && (word == "lanyard" || word == "rclone" || word == "printf" || strings.HasPrefix(word, "LANYARD_")) {
			all = append(all, strings.TrimSpace(command))
		}
	}
	if len(all) < 10 {
		t.Fatalf("only %d commands found in %s", len(all), page)
	}
	return all
}
