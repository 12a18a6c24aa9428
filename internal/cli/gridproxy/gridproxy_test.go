package gridproxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
)

const fixtures = "../../../testdata/voms/"

// machine is a person's machine with the key of ada in the usual place.
func machine(t *testing.T) gridproxy.Config {
	t.Helper()
	home := t.TempDir()
	globus := filepath.Join(home, ".globus")
	if err := os.Mkdir(globus, 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"certs/ada.pem": "usercert.pem", "keyforms/ada.pkcs8-aes.key": "userkey.pem"} {
		data, err := os.ReadFile(fixtures + "pki/" + from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(globus, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"X509_USER_PROXY": filepath.Join(home, "proxy"), "X509_CERT_DIR": fixtures + "pki/certificates"}
	return gridproxy.Config{Home: home, UID: os.Getuid(), Getenv: func(name string) string { return env[name] }, Now: time.Now,
		AskPass: func(gridproxy.Source) ([]byte, error) { return []byte("testpass"), nil }}
}

func reason(t *testing.T, err error) gridproxy.Reason {
	t.Helper()
	e, ok := errors.AsType[*gridproxy.Error](err)
	if !ok {
		t.Fatalf("%v is of type %T", err, err)
	}
	if e.Fault.Hint == "" || fault.CodeOf(err) == fault.Internal {
		t.Errorf("%v tells no way out", err)
	}
	return e.Reason
}

func TestInit(t *testing.T) {
	c := machine(t)
	var told []gridproxy.Event
	r, err := gridproxy.Init(t.Context(), c, gridproxy.Options{VerifyIssuer: true, Verify: true, PathLength: new(1)}, func(e gridproxy.Event) { told = append(told, e) })
	if err != nil {
		t.Fatal(err)
	}
	const ada = "/DC=test/DC=lanyard/OU=Users/CN=Ada Tester"
	if len(told) != 3 || told[0] != gridproxy.Event(gridproxy.Identified{Identity: ada}) || told[1] != gridproxy.Event(gridproxy.Making{}) ||
		told[2] != gridproxy.Event(gridproxy.Made{Path: r.Path, NotAfter: r.NotAfter}) {
		t.Errorf("told %+v", told)
	}
	if left := time.Until(r.NotAfter).Round(time.Minute); r.Identity != ada || r.Clipped || left != gridproxy.DefaultLifetime || r.Path != filepath.Join(c.Home, "proxy") {
		t.Errorf("%+v", r)
	}
	i, err := gridproxy.Read(c, "")
	if err != nil || i.Problem != nil || i.Identity != ada || i.Proxy.Kind != proxycert.RFC || len(i.Chain) != 2 || !i.NotAfter.Equal(r.NotAfter) {
		t.Errorf("%+v %v", i, err)
	}

	// one more below the first, and no third
	again, err := gridproxy.Init(t.Context(), c, gridproxy.Options{NoRegen: true}, nil)
	if err != nil || len(again.Credential.Chain) != 3 || !again.Clipped && again.NotAfter.After(r.NotAfter) {
		t.Fatal(again.NotAfter, err)
	}
	if _, err := gridproxy.Init(t.Context(), c, gridproxy.Options{NoRegen: true}, nil); reason(t, err) != gridproxy.BadRequest {
		t.Error(err)
	}

	if err := gridproxy.Destroy(c, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := gridproxy.Read(c, ""); reason(t, err) != gridproxy.NoProxy {
		t.Error(err)
	}
	if err := gridproxy.Destroy(c, ""); err == nil {
		t.Error("destroyed twice")
	}
}

// TestInitFollowsNoLink has somebody else's link where the proxy goes.
func TestInitFollowsNoLink(t *testing.T) {
	c := machine(t)
	victim := filepath.Join(c.Home, "victim")
	if err := os.WriteFile(victim, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, c.Getenv("X509_USER_PROXY")); err != nil {
		t.Fatal(err)
	}
	r, err := gridproxy.Init(t.Context(), c, gridproxy.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(victim); string(data) != "theirs" {
		t.Errorf("the link was followed: %.30s", data)
	}
	if i, err := os.Lstat(r.Path); err != nil || i.Mode() != 0o600 {
		t.Error(i.Mode(), err)
	}
}

func TestInitRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*gridproxy.Config, *gridproxy.Options)
		want   gridproxy.Reason
	}{
		{"nobody to ask", func(c *gridproxy.Config, _ *gridproxy.Options) { c.AskPass = nil }, gridproxy.Passphrase},
		{"wrong passphrase", func(c *gridproxy.Config, _ *gridproxy.Options) {
			c.AskPass = func(gridproxy.Source) ([]byte, error) { return []byte("wrong"), nil }
		}, gridproxy.Passphrase},
		{"no passphrase", func(c *gridproxy.Config, _ *gridproxy.Options) {
			c.AskPass = func(gridproxy.Source) ([]byte, error) { return nil, errors.New("gone") }
		}, gridproxy.Passphrase},
		{"clock far behind", func(c *gridproxy.Config, _ *gridproxy.Options) {
			c.Now = func() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }
		}, gridproxy.NotYetValid},
		{"clock far ahead", func(c *gridproxy.Config, _ *gridproxy.Options) {
			c.Now = func() time.Time { return time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC) }
		}, gridproxy.Expired},
		{"no proxy to sign", func(_ *gridproxy.Config, o *gridproxy.Options) { o.NoRegen = true }, gridproxy.NoProxy},
		{"unknown VO", func(_ *gridproxy.Config, o *gridproxy.Options) { o.VOs = []gridproxy.VORequest{{Alias: "nope"}} }, gridproxy.UnknownVO},
		{"key of 512 bits", func(_ *gridproxy.Config, o *gridproxy.Options) { o.Bits = 512 }, gridproxy.BadRequest},
		{"endless key", func(_ *gridproxy.Config, o *gridproxy.Options) { o.Bits = 1 << 20 }, gridproxy.BadRequest},
		{"no folder", func(_ *gridproxy.Config, o *gridproxy.Options) { o.Out = "/none/p" }, gridproxy.NotWritable},
		{"no authorities", func(_ *gridproxy.Config, o *gridproxy.Options) { o.CertDir, o.VerifyIssuer = "/none", true }, gridproxy.TrustAnchors},
		{"no certificate", func(c *gridproxy.Config, _ *gridproxy.Options) { c.Home = "/none" }, gridproxy.NoCertificate},
		{"certificate for a key", func(c *gridproxy.Config, o *gridproxy.Options) {
			o.Key = filepath.Join(c.Home, ".globus", "usercert.pem")
		}, gridproxy.Unreadable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, o := machine(t), gridproxy.Options{}
			tc.change(&c, &o)
			r, err := gridproxy.Init(t.Context(), c, o, nil)
			if reason(t, err) != tc.want || r.Path != "" {
				t.Errorf("%v, %q", err, r.Path)
			}
		})
	}
}
