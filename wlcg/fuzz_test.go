package wlcg_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/wlcg"
)

// FuzzToken: no text makes reading panic, and what is accepted can be trusted to be printable and
// to have been signed, which a fuzzer cannot do.
func FuzzToken(f *testing.F) {
	ec := keys()[wlcg.ES256]
	f.Add(craft(f, ec, head(ec), body()))
	f.Add(craft(f, ec, head(ec, `"typ":"at+jwt"`), body("act", `{"sub":"a","act":{"sub":"b"}}`, "aud", `["a","b"]`)))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(body()) + ".")
	f.Add(b64(`{"alg":"ES256","kid":"key-ES256","crit":["x"]}`) + "." + b64(`{"iss":1e400}`) + ".AA")
	f.Add("a.b.c.d.e")
	f.Add(`{"payload":"","signatures":[]}`)
	v := verifier(ec)
	f.Fuzz(func(t *testing.T, token string) {
		c, err := wlcg.Inspect(token)
		if err != nil {
			return
		}
		for _, text := range append([]string{c.Issuer, c.Subject, c.ID, c.Version, c.ClientID, c.ACR}, c.Audience...) {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is not printable", text)
			}
		}
		if _, err := v.Verify(t.Context(), token); err == nil && !strings.HasPrefix(token, b64(`{"alg":"ES256","kid":"key-ES256"`)[:20]) {
			t.Errorf("accepted: %s", token)
		}
	})
}

// FuzzPayload: what is signed by the issuer may still be anything. What is accepted can be written
// again and says the same.
func FuzzPayload(f *testing.F) {
	ec := keys()[wlcg.ES256]
	f.Add(body())
	f.Add(body("wlcg.groups", `["/cms","/cms/uscms"]`, "act", `{"sub":"hub"}`, "x", `{"a":[1,2.5,null]}`))
	f.Add(body("exp", "1e400"))
	f.Add(`{"sub":"a","s\u0075b":"b"}`)
	f.Add(strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40))
	v := verifier(ec)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := v.Verify(t.Context(), craft(t, ec, head(ec), payload))
		if err != nil {
			return
		}
		c.NotBefore = now // as Mint sets it anyhow
		token, err := c.Mint(ec, c.Profile())
		if err != nil {
			return // stricter than what is read
		}
		again, err := wlcg.Inspect(token)
		if err != nil {
			t.Fatalf("what was minted cannot be read: %v", err)
		}
		again.Header, again.Version = c.Header, c.Version
		if want, got := fixed(t, c), fixed(t, again); want != got {
			t.Errorf("read  %s\nagain %s", want, got)
		}
	})
}

func fixed(t *testing.T, c wlcg.Claims) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzScope: what is read is written the same, covers itself, and is covered by the root.
func FuzzScope(f *testing.F) {
	for _, s := range []string{"storage.read:/data", "storage.read", "compute.create", "write:/a/b", "condor:/READ", "storage.read:/a/../b", "storage.modify://", "storage.read:/%2e%2e", "openid"} {
		f.Add(s, "storage.read:/data/raw")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		s, err := wlcg.ParseScope(text)
		if err != nil {
			return
		}
		if s.String() != text || !s.Covers(s) {
			t.Errorf("%q is read as %q", text, s)
		}
		if strings.ContainsAny(s.Path, "% \\\"") || strings.Contains(s.Path+"/", "/../") || strings.Contains(s.Path+"/", "/./") {
			t.Errorf("the path %q", s.Path)
		}
		root := wlcg.Scope{Action: s.Action, Path: "/"}
		if s.Path != "" && !root.Covers(s) {
			t.Errorf("the root does not cover %s", s)
		}
		if o, err := wlcg.ParseScope(other); err == nil && s.Covers(o) && o.Covers(s) && s.Path != o.Path {
			t.Errorf("%s and %s cover each other", s, o)
		}
	})
}

// FuzzGroups: what is read is written the same; the claim has no group twice and none of strangers.
func FuzzGroups(f *testing.F) {
	f.Add("wlcg.groups wlcg.groups:/cms/uscms", "/cms /cms/uscms")
	f.Add("wlcg.groups:/cms wlcg.groups:/cms", "/cms")
	f.Add("wlcg.groups:", "/")
	f.Fuzz(func(t *testing.T, request, memberships string) {
		member := strings.Fields(memberships)
		groups, err := wlcg.GroupsFor(strings.Fields(request), member, member)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, g := range groups {
			if seen[g] || !strings.Contains(" "+strings.Join(member, " ")+" ", " "+g+" ") {
				t.Errorf("%q of %q", g, groups)
			}
			seen[g] = true
		}
	})
}

// FuzzKeySet: what is read can be written, and is then read as the same.
func FuzzKeySet(f *testing.F) {
	set, err := json.Marshal(keySet(keys()[wlcg.ES256], keys()[wlcg.RS256], keys()[wlcg.ES512]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set)
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Add([]byte(`{"keys":[[],null,1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := wlcg.ParseKeySet(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		again, err := wlcg.ParseKeySet(written)
		if err != nil || !reflect.DeepEqual(set, again) {
			t.Errorf("%s is read as %v: %v", written, again, err)
		}
	})
}
