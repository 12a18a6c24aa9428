package site_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/site"
	"github.com/lanyardhq/lanyard/internal/fault"
)

const fixtures = "../../../testdata/voms/"

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(fixtures + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A machine asks a server that may be away.
type machine struct {
	console *console.Console
	now     time.Time
	asked   int
	away    bool
	lsc     string // of the VO lanyard's server
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{now: now, lsc: string(fixture(t, "pki/vomsdir/lanyard/voms.lanyard.test.lsc"))}
	ca, crl := fixture(t, "pki/certs/fxca.pem"), fixture(t, "pki/certs/fxca.crl")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked++
		switch {
		case m.away:
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/vos"):
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(api.List[api.VO]{Items: []api.VO{{Name: "lanyard", Servers: []api.VOServer{{Alias: "lanyard", Host: "voms.lanyard.test", Port: 15000, LSC: m.lsc}}}}})
		case strings.HasSuffix(r.URL.Path, "/ca/certificate.pem"):
			_, _ = w.Write(ca)
		default:
			_, _ = w.Write(crl)
		}
	}))
	t.Cleanup(server.Close)
	env := map[string]string{"HOME": t.TempDir(), "LANYARD_SERVER": server.URL, "LANYARD_TOKEN": "lyt_test"}
	var out bytes.Buffer
	m.console = &console.Console{Streams: console.Streams{In: strings.NewReader(""), Out: &out, Err: &out},
		Getenv: func(k string) string { return env[k] }, Now: func() time.Time { return m.now }, Zone: time.UTC, Version: "1.2.3", Host: "vm"}
	return m
}

// judge says what the machine would decide about a fixture with what it knows.
func judge(t *testing.T, s site.Site, name string) site.Verdict {
	t.Helper()
	store, err := s.Store()
	if err != nil {
		t.Fatal(err)
	}
	return site.Judge{Trust: store, Anchors: s.Anchors(), At: now, Hosts: []string{"vm"}}.Decide(fixture(t, name))
}

// TestNothingIsInstalled trusts what the server tells, and goes on with it while the server is away.
func TestNothingIsInstalled(t *testing.T) {
	m := newMachine(t)
	here := site.Ask(t.Context(), m.console, "", "", time.Minute)
	if v := judge(t, here, "golden/g07-c-voms.pem"); v.Verdict != site.Accepted || len(v.ACs) != 1 || v.ACs[0].VO != "lanyard" {
		t.Errorf("a good proxy: %+v", v)
	}
	if all := here.Servers(); len(all) != 1 || all[0].Host != "voms.lanyard.test" || all[0].VO != "lanyard" {
		t.Errorf("servers: %+v", all)
	}
	before := m.asked
	site.Ask(t.Context(), m.console, "", "", time.Minute)
	if m.asked != before {
		t.Error("what is fresh is asked for again")
	}
	m.now, m.away = now.Add(2*time.Minute), true
	if v := judge(t, site.Ask(t.Context(), m.console, "", "", time.Minute), "golden/g07-c-voms.pem"); v.Verdict != site.Accepted || m.asked == before {
		t.Errorf("with the server away, asked %d times: %+v", m.asked-before, v)
	}
}

// TestFilesOfTheMachineCount has what an administrator installed go before what a server tells.
func TestFilesOfTheMachineCount(t *testing.T) {
	m := newMachine(t)
	vomsdir := t.TempDir()
	if err := os.Mkdir(filepath.Join(vomsdir, "lanyard"), 0o755); err != nil {
		t.Fatal(err)
	}
	other := "/DC=test/CN=somebody else\n/DC=test/CN=some CA\n"
	if err := os.WriteFile(filepath.Join(vomsdir, "lanyard", "voms.lanyard.test.lsc"), []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	here := site.Ask(t.Context(), m.console, "", vomsdir, 0)
	if v := judge(t, here, "golden/g07-c-voms.pem"); v.Verdict != site.Rejected || !strings.HasPrefix(v.Reason, "attributes of VO lanyard: ") || v.ACs[0].Code == "" {
		t.Errorf("%+v", v)
	}
	if v := judge(t, here.WithVOs(fixtures+"pki/vomsdir"), "golden/g07-c-voms.pem"); v.Verdict != site.Accepted {
		t.Errorf("with another directory: %+v", v)
	}
	if v := judge(t, here.WithCA(fixtures+"pki/certificates"), "golden/g01-c-plain.pem"); v.Verdict != site.Accepted || len(v.ACs) != 0 {
		t.Errorf("a plain proxy: %+v", v)
	}
}

// TestNobodyIsTrusted says what to do where neither a directory nor a server is known.
func TestNobodyIsTrusted(t *testing.T) {
	m := newMachine(t)
	m.away = true
	here := site.Ask(t.Context(), m.console, "", "", 0)
	if here.Told() {
		t.Error("a server that is away told something")
	}
	_, err := here.Store()
	if f, ok := errors.AsType[*fault.Fault](err); !ok || !strings.Contains(f.Hint, "X509_CERT_DIR") {
		t.Errorf("without anything: %v", err)
	}
	if _, err := here.WithCA(t.TempDir()).Store(); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an empty directory: %v", err)
	}
}

// TestVerdicts are whole sentences with a word for programs, also of what is no proxy at all.
func TestVerdicts(t *testing.T) {
	here := site.Site{CADir: fixtures + "pki/certificates", VomsDir: fixtures + "pki/vomsdir"}
	for name, want := range map[string]string{"pki/certs/ada.pem": "a certificate, not a proxy", "golden/INDEX.tsv": "malformed", "hostile/x04-fqan-tampered.pem": "attributes of VO lanyard"} {
		v := judge(t, here, name)
		if !strings.Contains(v.Reason+" "+v.Code, want) || (v.Verdict == site.Rejected) != (v.Code != "") || v.ACs == nil || v.CheckedAt != now {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v := (site.Judge{At: now}).Reject(fault.New(fault.NotFound, "there is no file x").WithHint("make one")); v.Verdict != site.Rejected || v.Reason != "there is no file x" || v.Hint != "make one" {
		t.Errorf("%+v", v)
	}
	if got := site.NameOf(""); got != "an unknown VO" {
		t.Error(got)
	}
}
