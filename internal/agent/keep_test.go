package agent_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

const pki = "../../testdata/voms/pki/certs/"

// signed answers with a proxy for the request, below Ada's certificate.
func signed(t *testing.T) func(call) (int, any) {
	text, err := os.ReadFile(pki + "ada.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	ada, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(pki + "ada.key"); err != nil {
		t.Fatal(err)
	}
	key, err := keyfile.Key(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(k call) (int, any) {
		now := time.Now()
		chain, err := proxycert.Sign(proxycert.Credential{Chain: []*x509.Certificate{ada}, Key: key}, []byte(k.Body["request"].(string)),
			proxycert.Template{NotBefore: now.Add(-time.Minute), NotAfter: now.Add(2 * time.Hour)})
		if err != nil {
			t.Error(err)
		}
		var b strings.Builder
		for _, c := range chain {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		}
		return 200, map[string]any{"schema": api.SchemaProxyMaterial, "credential_id": "crd_N", "pem": b.String()}
	}
}

// TestKeep puts things on the list, each made once at once; the agent takes them over, also those that
// come while it runs.
func TestKeep(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	bearerFile := filepath.Join(p.env["XDG_RUNTIME_DIR"], "bt_u")
	if out := p.must("keep", "token", "wlcg", "--scope", "storage.read:/data"); !strings.Contains(out, "is kept fresh; as it is now it ends in ") || !strings.Contains(out, "! no agent runs yet") {
		t.Error(out)
	}
	files, err := filepath.Glob(bearerFile + "*")
	if err != nil || len(files) != 1 || p.private(files[0]) != "token.storage.read--data" {
		t.Fatalf("wrote %v %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.until("the agent has written the token", func() bool { return p.private(files[0]) != "" })

	own := []api.Credential{{ID: "crd_N", Kind: "proxy", Name: "nightly"}}
	p.answer("GET /credentials", ok(api.List[api.Credential]{Items: own}))
	p.answer("POST /credentials/crd_N/proxy", signed(t))
	p.must("keep", "proxy", "nightly", "--valid", "2h")
	if text := p.private(p.env["X509_USER_PROXY"]); strings.Count(text, "BEGIN") < 3 {
		t.Errorf("the proxy is %s", text)
	}
	own[0] = api.Credential{ID: "crd_K", Kind: "s3key", Name: "rclone on vm"}
	p.answer("POST /credentials/crd_K/extend", func(k call) (int, any) {
		if k.Body["life"] == 7*86400.0 {
			return 409, api.Problem{Code: api.Limited, Detail: "at most a day"}
		}
		return 200, api.Credential{ID: "crd_K", ExpiresAt: time.Now().Add(24 * time.Hour)}
	})
	if out := p.must("keep", "key", "rclone on vm", "--for", "7d"); !regexp.MustCompile(`✓ rclone on vm is kept fresh; as it is now it ends in (1 day|23 hours)`).MatchString(out) {
		t.Error(out)
	}
	p.until("the agent has taken all over", func() bool {
		var d struct {
			Agent bool
			Items []struct {
				Name    string `json:"title"`
				Renewed string `json:"renewed_at"`
				Error   string
			}
		}
		if err := json.Unmarshal([]byte(p.must("list", "--json")), &d); err != nil || !d.Agent || len(d.Items) != 3 {
			t.Fatalf("%v %+v", err, d)
		}
		for _, i := range d.Items {
			if i.Error != "" {
				t.Fatalf("%+v", i)
			}
			if i.Renewed == "" {
				return false
			}
		}
		return true
	})
	out := p.must("status")
	for _, want := range []string{"✓ The agent runs, at " + p.socket, "token  wlcg", "proxy  nightly", "key    rclone on vm", "fine"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	p.must("drop", "nightly", files[0])
	if out := p.must("list", "-o", "value"); out != "rclone on vm\n" {
		t.Errorf("left is %q", out)
	}
	if p.private(files[0]) == "" {
		t.Error("the file is gone")
	}
}

// TestKeepWhatCannotBe says so at once, and leaves the list as it is.
func TestKeepWhatCannotBe(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	for line, want := range map[string]struct {
		exit console.Exit
		text string
	}{
		"keep token none":                         {console.NotFound, "Cannot keep none: not here."},
		"keep token wlcg --bearer-file --file x":  {console.Misuse, "exclude each other"},
		"keep token wlcg --file /nowhere/at/all/": {console.Failed, "Cannot keep wlcg"},
		"keep proxy none":                         {console.NotFound, `You have no proxy that is called "none"`},
		"keep key none --for soon":                {console.Misuse, `"soon" is not a length of time`},
		"drop none":                               {console.NotFound, `Nothing that is kept is called "none"`},
		"status":                                  {console.NotFound, "No agent runs."},
	} {
		if code, out, errs := p.run(t.Context(), strings.Fields(line)...); code != int(want.exit) || !strings.Contains(errs.String(), want.text) {
			t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
		}
	}
	if out := p.must("list"); !strings.Contains(out, "Nothing is kept fresh") {
		t.Error(out)
	}
}

// TestFailures are told once, with what repairs them, and so is the end of them.
func TestFailures(t *testing.T) {
	p := newPerson(t)
	p.wlcg()
	p.must("keep", "token", "wlcg", "--file", filepath.Join(p.env["HOME"], "token"))
	files, _ := filepath.Glob(filepath.Join(p.env["XDG_RUNTIME_DIR"], "lanyard", "token-*"))
	for _, f := range files {
		os.Remove(f)
	}
	dead := api.Credential{ID: "crd_W", Name: "wlcg", Grant: &api.Grant{Standing: "expired", StandingText: "Expired since 1 day.", NextStep: "lanyard token approve wlcg"}}
	p.answer("GET /credentials/wlcg/grant", ok(dead))
	p.answer("POST /credentials/wlcg/token", func(call) (int, any) { return 409, api.Problem{Code: api.Conflict, Detail: "no"} })
	errs, stop := p.start()
	p.until("it tells", func() bool {
		return strings.Contains(errs.String(), "was not renewed: wlcg: Expired since 1 day.. lanyard token approve wlcg") || strings.Contains(errs.String(), "was not renewed: wlcg: Expired since 1 day. lanyard token approve wlcg")
	})
	if out := p.must("list"); !strings.Contains(out, "wlcg: Expired since 1 day.") || !strings.Contains(out, "lanyard token approve wlcg") {
		t.Error(out)
	}
	stop()
	if _, err := os.Stat(p.socket); err == nil {
		t.Error("the socket is left over")
	}
}
