package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/identity"
)

var update = flag.Bool("update", false, "write the golden files")

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/lanyard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	got, mistakes := config.Check("../../docs/lanyard.yaml", "/elsewhere")
	if len(mistakes) > 0 {
		t.Fatalf("the example has mistakes:\n%v", mistakes)
	}
	want := config.Default("/var/lib/lanyard")
	// The example says "none" where the default says nothing.
	for _, list := range []int{len(got.InternalNetworks), len(got.TrustedProxies), len(got.SignIn.Providers), len(got.Projects), len(got.Clients), len(got.S3.MoreHosts), len(got.SignIn.Local.Users), len(got.VOs), len(got.Grid.Vomses),
		len(got.Providers), len(got.Tokens.Audiences), len(got.Tokens.VOs), len(got.Tokens.Rules), len(got.Tokens.Exchanges)} {
		if list != 0 {
			t.Errorf("the example sets a list that is empty by default")
		}
	}
	got.InternalNetworks, got.TrustedProxies, got.SignIn.Providers, got.Projects, got.Clients, got.S3.MoreHosts, got.SignIn.Local.Users = nil, nil, nil, nil, nil, nil, nil
	got.VOs, got.Grid.Vomses, got.Providers, got.Tokens = nil, nil, nil, config.Tokens{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/lanyard.yaml differs from the defaults (-default +example):\n%s", diff)
	}
}

func TestTheExamplesOutOfForceAreRightToo(t *testing.T) {
	var lines []string
	for line := range strings.Lines(example(t)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && (!strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "  ")) {
			// A list that is given cannot be called empty before.
			if last := len(lines) - 1; strings.Contains(rest, "- ") && strings.HasSuffix(lines[last], ": []\n") {
				lines[last] = strings.Replace(lines[last], " []", "", 1)
			}
			line = rest
		}
		lines = append(lines, line)
	}
	dir := t.TempDir()
	for _, name := range []string{"myaccessid.secret", "jupyterhub.secret", "helmholtz.secret", "wlcg.secret", "keycloak.secret"} {
		write(t, dir, name, "canary\n", 0o600)
	}
	text := strings.Replace(strings.Join(lines, ""), "enabled: false", "enabled: true", 1) // the VO's certificate comes from the online CA
	got, mistakes := config.Check(write(t, dir, "lanyard.yaml", text, 0o644), dir)
	if len(mistakes) > 0 {
		t.Fatalf("the example, all of it in force, has mistakes:\n%v\n%s", mistakes, strings.Join(lines, ""))
	}
	if len(got.SignIn.Providers) != 1 || len(got.SignIn.Providers[0].Projects) != 2 || len(got.Projects) != 1 || len(got.Clients) != 2 || len(got.VOs) != 1 || got.AdminSocket != "/run/lanyard/admin.sock" {
		t.Errorf("not all of the example came into force: %+v", got)
	}
	providers, err := got.IdentityProviders()
	if err != nil || providers[0].ClientSecret.Reveal() != "canary" {
		t.Errorf("the provider's secret was not read: %v", err)
	}
	v := got.AuthorityVOs()[0]
	if v.Name != "climate" || v.MaxLife != 24*time.Hour || len(v.Groups) != 2 || len(v.Rules) != 3 || v.Rules[0].FQAN != "/climate" ||
		v.Rules[1].Role != identity.Deputy || v.Rules[2].Claim != "urn:example:ocean" || got.VOs[0].LDAP.Every != config.Duration(15*time.Minute) {
		t.Errorf("the VO came out as %+v", v)
	}
	p := got.BrokerProjects()[0]
	if p.Name != "462000008" || p.QuotaBytes != 150e12 || p.DefaultLife != 48*time.Hour || !p.EndsAt.Equal(time.Date(2028, 12, 31, 0, 0, 0, 0, time.UTC)) ||
		p.Members[0].Issuer != "local" || p.Members[0].Role != identity.Manager {
		t.Errorf("the project came out as %+v", p)
	}
}

func TestNoGraceIsNotTheUsualGrace(t *testing.T) {
	got, mistakes := config.Check(write(t, t.TempDir(), "lanyard.yaml", `clients:
  - {id: usual, redirect_uris: ["https://a.example/"]}
  - {id: silent, redirect_uris: ["https://a.example/"], refresh_grace: }
  - {id: none, redirect_uris: ["https://a.example/"], refresh_grace: 0s}
  - {id: long, redirect_uris: ["https://a.example/"], refresh_grace: 1d}
  - {id: longer, redirect_uris: ["https://a.example/"], refresh_grace: 25h}
`, 0o600), t.TempDir())
	if len(mistakes) != 1 || mistakes[0].Key != "clients[4].refresh_grace" {
		t.Errorf("mistakes: %v", mistakes)
	}
	want := []*config.Duration{nil, nil, new(config.Duration(0)), new(config.Duration(24 * time.Hour)), new(config.Duration(25 * time.Hour))}
	var graces []*config.Duration
	for _, c := range got.Clients {
		graces = append(graces, c.RefreshGrace)
	}
	if d := cmp.Diff(want, graces); d != "" {
		t.Error(d)
	}
}

func TestDemo(t *testing.T) {
	c := config.Demo("/data")
	if c.AdminSocket != "/data/admin.sock" || !c.S3.SigV2 || len(c.SignIn.Local.Users) != 3 {
		t.Errorf("the demo is %+v", c)
	}
	ps := c.BrokerProjects()
	if len(ps) != 2 || ps[0].Name != "462000008" || ps[0].QuotaBytes != 150e9 || ps[1].Name != "465000123" || ps[1].QuotaBytes != 1e9 {
		t.Errorf("the demo's projects are %+v", ps)
	}
	for _, p := range ps {
		if p.Members[0].Subject != "anna" || p.Members[0].Role != identity.Manager {
			t.Errorf("anna does not manage %s", p.Name)
		}
	}
}

func TestTheDemoHasAVO(t *testing.T) {
	c := config.Demo("/data")
	vs := c.AuthorityVOs()
	if len(vs) != 1 || vs[0].Name != "climate" || len(vs[0].Check()) > 0 || !c.Grid.OnlineCA.Enabled || c.VOs[0].ListenAt() != "127.0.0.1:15000" {
		t.Errorf("the demo's VOs are %+v", vs)
	}
	if got := c.CABase(); got != "/DC=localhost" {
		t.Errorf("the demo's names begin with %s", got)
	}
}

func TestNamesOfTheOnlineCA(t *testing.T) {
	for address, want := range map[string]string{"https://lanyard.example.org": "/DC=org/DC=example/DC=lanyard", "http://127.0.0.1:8080": "/DC=127.0.0.1"} {
		c := config.Default("/data")
		c.Portal.URL = address
		if got := c.CABase(); got != want {
			t.Errorf("%s gives %s, want %s", address, got, want)
		}
	}
}

func TestDataDir(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, tt := range []struct {
		uid  int
		env  func(string) string
		want string
	}{
		{0, env("HOME", "/root"), "/var/lib/lanyard"},
		{1000, env("HOME", "/home/anna"), "/home/anna/.local/state/lanyard-server"},
		{1000, env("HOME", "/home/anna", "XDG_STATE_HOME", "/scratch/state"), "/scratch/state/lanyard-server"},
		{1000, env("HOME", "/home/anna", "XDG_STATE_HOME", "relative"), "/home/anna/.local/state/lanyard-server"},
	} {
		if got := config.DataDir(tt.uid, tt.env); got != tt.want {
			t.Errorf("DataDir(%d) = %s, want %s", tt.uid, got, tt.want)
		}
	}
}

// TestMistakes runs every file in testdata/mistakes and compares what is reported with the golden
// file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("only %d files with mistakes: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			write(t, dir, "good.secret", "canary\n", 0o600)
			write(t, dir, "open.secret", "canary\n", 0o644)
			write(t, dir, "empty.secret", "\n", 0o600)
			cert, key := certificate(t)
			write(t, dir, "cert.pem", cert, 0o644)
			write(t, dir, "key.pem", key, 0o600)
			_, otherKey := certificate(t)
			write(t, dir, "other.pem", otherKey, 0o600)
			_, mistakes := config.Check(write(t, dir, "lanyard.yaml", string(text), 0o644), filepath.Join(dir, "data"))
			var got strings.Builder
			for _, m := range mistakes {
				got.WriteString(strings.NewReplacer(dir+"/", "", dir, ".").Replace(m.String()) + "\n")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				write(t, ".", golden, got.String(), 0o644)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("the report differs (-want +got):\n%s", diff)
			}
			if strings.Contains(got.String(), "canary") {
				t.Error("the report holds a secret")
			}
		})
	}
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"s3.example.org"}, NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestAMissingFileIsOneMistake(t *testing.T) {
	_, mistakes := config.Check(filepath.Join(t.TempDir(), "none.yaml"), "/data")
	if len(mistakes) != 1 || !strings.Contains(mistakes[0].String(), "no such file") {
		t.Errorf("got %v", mistakes)
	}
}

func TestFileNamesAreSeenFromTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "lanyard.yaml", "data_dir: state\nupstream: {directory: objects}\n", 0o644)
	t.Chdir(dir) // so that its own name is relative too
	c, mistakes := config.Check("lanyard.yaml", "/elsewhere")
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	want := []string{filepath.Join(dir, "state"), filepath.Join(dir, "state", "admin.sock"), filepath.Join(dir, "objects")}
	if got := []string{c.DataDir, c.AdminSocket, c.Upstream.Directory}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUpstreamKeys(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "id", "AKIA\n", 0o600)
	write(t, dir, "secret", "s3cret\n", 0o400)
	file := write(t, dir, "lanyard.yaml", "upstream: {endpoint: 'https://s3.example.org', access_key_file: id, secret_key_file: secret}", 0o644)
	c, mistakes := config.Check(file, dir)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	keys, err := c.Upstream.Keys()
	if err != nil || keys.AccessKeyID != "AKIA" || keys.SecretAccessKey.Reveal() != "s3cret" {
		t.Errorf("got %v, %v", keys, err)
	}
}
