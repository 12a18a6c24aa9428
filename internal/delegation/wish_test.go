package delegation_test

import (
	"encoding/json"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
)

func fields(s string) iter.Seq[string] { return strings.FieldsSeq(s) }

func TestParseWish(t *testing.T) {
	w, err := delegation.ParseWish([]byte(`{"grant_type":"oidc_flow","oidc_issuer":"https://op.example.org","name":"htcondor","application_name":"htcondor",
		"capabilities":"AT tokeninfo:introspect","include":"kit/c4p-htcondor","response_type":"short_token","max_token_len":100,"error_on_restrictions":true,
		"rotation":{"on_AT":true,"lifetime":3600,"auto_revoke":true},
		"restrictions":[{"nbf":"2026-11-21 12:30","exp":"+7d","scope":"openid profile","audience":"https://se.example.org","ip":["192.0.2.1"],"usages_AT":2,"usages_other":0},{"exp":"1800000000"}]}`), start)
	if err != nil {
		t.Fatal(err)
	}
	want := delegation.Wish{Issuer: "https://op.example.org", Name: "htcondor", Application: "htcondor", Capabilities: delegation.Capabilities{"AT", "tokeninfo:introspect"},
		Include: []string{"kit/c4p-htcondor"}, Form: delegation.FormShort, MaxLen: 100, Strict: true,
		Rotation: &delegation.Rotation{OnAT: true, Lifetime: time.Hour, AutoRevoke: true},
		Clauses: []delegation.Clause{{NotBefore: start.Add(30 * time.Minute), Expires: start.Add(7 * 24 * time.Hour), Scope: []string{"openid", "profile"},
			Audience: []string{"https://se.example.org"}, Hosts: []string{"192.0.2.1"}, UsagesAT: new(int64(2)), UsagesOther: new(int64(0))},
			{Expires: time.Unix(1800000000, 0).UTC()}}}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("wish (-want +got):\n%s", diff)
	}
	// Stored and read back, it is the same.
	var back delegation.Wish
	if err := json.Unmarshal([]byte(render(t, w)), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, back); diff != "" {
		t.Errorf("read back:\n%s", diff)
	}
}

func TestWishesThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{nope`: "invalid character 'n' looking for beginning of object key string",
		`{"restrictions":[{"geoip_allow":["de"]}]}`:                     "the restriction 'geoip_allow' is not supported",
		`{"restrictions":[{"colour":"red"}]}`:                           "the restriction 'colour' is not supported",
		`{"restrictions":[{"hosts":["wn1.example.org"]}]}`:              "names are not supported",
		`{"restrictions":[{"hosts":["*.example.org"]}]}`:                "names are not supported",
		`{"restrictions":[{"hosts":[""]}]}`:                             "empty text",
		`{"restrictions":[{"hosts":["192.0.2.1"],"ip":["192.0.2.2"]}]}`: "either 'hosts' or 'ip'",
		`{"restrictions":[{"usages_AT":-1}]}`:                           "not negative",
		`{"restrictions":[{"exp":-5}]}`:                                 "is not a time",
		`{"restrictions":[{"exp":1e30}]}`:                               "is not a time",
		`{"restrictions":[{"exp":"tomorrow"}]}`:                         "is not a time",
		`{"restrictions":[{"exp":"+d"}]}`:                               "is not a time",
		`{"restrictions":[{"exp":"+-7d"}]}`:                             "is not a time",
		`{"restrictions":[{"exp":"+99999999y"}]}`:                       "is not a time",
		`{"restrictions":[{"exp":99999999999999}]}`:                     "is not a time",
		`{"rotation":{"on_AT":true,"lifetime":-1}}`:                     "lifetime",
		`{"name":"a\u0007b"}`:                                           "control characters",
		`{"name":"` + strings.Repeat("x", 300) + `"}`:                   "at most 255",
		`{"restrictions":[` + strings.Repeat(`{"exp":1},`, 32) + `{}]}`: "at most 32 restrictions",
		`{"capabilities":"` + strings.Repeat("AT ", 101) + `"}`:         "at most 100",
	} {
		_, err := delegation.ParseWish([]byte(text), start)
		e, ok := errors.AsType[*delegation.Error](err)
		if !ok || e.Status != 400 || e.Code != "invalid_request" || !strings.Contains(e.Description, want) {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
	}
	// An unknown type of answer is a token, as the protocol has it.
	if w, err := delegation.ParseWish([]byte(`{"response_type":"nope","unknown":{}}`), start); err != nil || w.Form != delegation.FormToken {
		t.Errorf("unknown response_type: %v, %v", w.Form, err)
	}
}

func FuzzParseWish(f *testing.F) {
	f.Add(`{"restrictions":[{"exp":"+7d","hosts":["this","192.0.2.0/24"]}],"rotation":{"on_AT":true}}`)
	f.Add(`{"restrictions":[{"exp":1,"scope":"a b","audience":["x"],"usages_AT":0,"include":["1d"]}],"capabilities":["@all"],"include":"_/agent"}`)
	library, err := delegation.NewLibrary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := delegation.ParseWish([]byte(text), start)
		if err == nil {
			w, err = library.Expand(w, start)
		}
		if err != nil {
			if _, ok := errors.AsType[*delegation.Error](err); !ok {
				t.Errorf("not a refusal: %v", err)
			}
			return
		}
		var back delegation.Wish
		if err := json.Unmarshal([]byte(render(t, w)), &back); err != nil {
			t.Fatalf("not read back: %v", err)
		}
		if render(t, back) != render(t, w) {
			t.Errorf("read back as %s, was %s", render(t, back), render(t, w))
		}
	})
}

func TestLocated(t *testing.T) {
	got, err := delegation.Located(parse(t, `[{"hosts":["this","10.0.0.0/8"]},{"exp":5}]`), netip.MustParseAddr("::ffff:192.0.2.1"))
	if err != nil || render(t, got) != `[{"hosts":["10.0.0.0/8","192.0.2.1"]},{"exp":5}]` {
		t.Errorf("got %s, %v", render(t, got), err)
	}
	if _, err := delegation.Located(parse(t, `[{"hosts":["this"]}]`), netip.Addr{}); err == nil {
		t.Error("an unknown address is somewhere")
	}
}

// library is what the producer of the seed needs, and some that others could write.
func library(t testing.TB) delegation.Library {
	t.Helper()
	l, err := delegation.NewLibrary(map[string]delegation.Group{"kit": {
		Profiles: map[string]json.RawMessage{
			"c4p-htcondor": json.RawMessage(`{"capabilities":"AT tokeninfo:introspect","restrictions":[{"exp":"+7d","scope":"openid profile offline_access"}]}`),
			"nested":       json.RawMessage(`{"include":["kit/c4p-htcondor","_/web-default"],"name":"nested"}`),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestProfiles(t *testing.T) {
	l := library(t)
	for name, c := range map[string]struct{ ask, want string }{
		"alone": {`{"include":"kit/c4p-htcondor","name":"htcondor"}`,
			`{"restrictions":[{"exp":1795867200,"scope":"openid profile offline_access"}],"capabilities":["AT","tokeninfo:introspect"],"name":"htcondor"}`},
		"never widens": {`{"include":"kit/c4p-htcondor","capabilities":"AT create_mytoken","restrictions":[{"exp":1795300000,"usages_AT":1}]}`,
			`{"restrictions":[{"exp":1795300000,"scope":"openid profile offline_access","usages_AT":1}],"capabilities":["AT"],"name":""}`},
		"nested": {`{"include":"kit/nested"}`,
			`{"restrictions":[{"exp":1795305600,"scope":"openid profile offline_access","hosts":["this"],"usages_AT":15}],"capabilities":["AT","tokeninfo:introspect"],"name":"nested"}`},
		"templates": {`{"capabilities":["@default+MT"],"restrictions":[{"include":["1d","_/ip-this"]}],"rotation":{"include":["at","daily"]}}`,
			`{"restrictions":[{"exp":1795348800,"hosts":["this"]}],"capabilities":["AT","tokeninfo","create_mytoken"],"name":"","rotation":{"on_AT":true,"lifetime":86400}}`},
	} {
		w, err := delegation.ParseWish([]byte(c.ask), start)
		if err == nil {
			w, err = l.Expand(w, start)
		}
		got := struct {
			R []delegation.Clause  `json:"restrictions"`
			C []string             `json:"capabilities"`
			N string               `json:"name"`
			T *delegation.Rotation `json:"rotation,omitempty"`
		}{w.Clauses, w.Capabilities, w.Name, w.Rotation}
		if err != nil || render(t, got) != c.want {
			t.Errorf("%s: got %s, %v\nwant %s", name, render(t, got), err, c.want)
		}
	}
	for _, name := range []string{"kit/nope", "nope/nope", "nope"} {
		_, err := l.Expand(delegation.Wish{Include: []string{name}}, start)
		if err == nil || err.Error() != "invalid_request: unknown include name: '"+name+"'" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := l.Expand(delegation.Wish{Include: []string{"kit/c4p-htcondor"}, Capabilities: delegation.Capabilities{"settings"}}, start)
	if err == nil {
		t.Error("a profile adds capabilities that were not asked for")
	}
}

func TestProfilesAreRead(t *testing.T) {
	l := library(t)
	if got := l.Groups(); !slices.Equal(got, []string{"kit"}) {
		t.Errorf("groups: %v", got)
	}
	got, ok := l.List("kit", delegation.SectionProfiles, start)
	if !ok || len(got) != 2 || got[0].Name != "c4p-htcondor" || len(got[0].ID) != 36 ||
		string(got[0].Payload) != `{"capabilities":["AT","tokeninfo:introspect"],"restrictions":[{"exp":1795867200,"scope":"openid profile offline_access"}]}` {
		t.Errorf("profiles: %+v", got)
	}
	for section, want := range map[string]string{
		delegation.SectionCapabilities: "all default default+MT", delegation.SectionRestrictions: "12h 1d 1m 1w 1y ip-this web-default",
		delegation.SectionRotation: "at at-other auto-revoke daily monthly other weekly", delegation.SectionProfiles: "agent web-default",
	} {
		list, ok := l.List("", section, start)
		var names []string
		for _, e := range list {
			names = append(names, e.Name)
		}
		if !ok || strings.Join(names, " ") != want {
			t.Errorf("%s: %v", section, names)
		}
	}
	if _, ok := l.List("nope", delegation.SectionProfiles, start); ok {
		t.Error("a group that there is not")
	}
	for _, bad := range []string{`{"capabilities":["@nope"]}`, `{"restrictions":[{"geoip_allow":["de"]}]}`, `{"include":"g/p"}`, `nope`} {
		if _, err := delegation.NewLibrary(map[string]delegation.Group{"g": {Profiles: map[string]json.RawMessage{"p": json.RawMessage(bad)}}}); err == nil {
			t.Errorf("the profile %s is taken", bad)
		}
	}
}

func TestUse(t *testing.T) {
	at := func(scopes, audience string) delegation.Use {
		return delegation.Use{AT: true, Scopes: slices.Collect(fields(scopes)), Audience: slices.Collect(fields(audience)), Address: netip.MustParseAddr("192.0.2.1"), At: start}
	}
	for name, c := range map[string]struct {
		clauses string
		counts  []delegation.Count
		use     delegation.Use
		index   int // -2: refused
		scopes  string
	}{
		"no clause, narrower scope":     {`[]`, nil, at("a", ""), -1, "a"},
		"no clause, nothing named":      {`[]`, nil, at("", ""), -1, ""},
		"the clause's scope":            {`[{"scope":"a b"}]`, nil, at("", ""), 0, "a b"},
		"part of the clause's scope":    {`[{"scope":"a b"}]`, nil, at("b", ""), 0, "b"},
		"beyond the clause's scope":     {`[{"scope":"a b"}]`, nil, at("c", ""), -2, ""},
		"the first that passes":         {`[{"scope":"a"},{"scope":"a b"},{"scope":"b"}]`, nil, at("b", ""), 1, "b"},
		"used up, the next":             {`[{"scope":"a","usages_AT":1},{"scope":"b"}]`, []delegation.Count{{AT: 1}}, at("", ""), 1, "b"},
		"none at all":                   {`[{"usages_AT":0}]`, nil, at("", ""), -2, ""},
		"another audience":              {`[{"audience":["x"]}]`, nil, at("", "y"), -2, ""},
		"here":                          {`[{"hosts":["192.0.2.0/30"]}]`, nil, at("", ""), 0, ""},
		"elsewhere":                     {`[{"hosts":["198.51.100.0/24","2001:db8::/32"]}]`, nil, at("", ""), -2, ""},
		"expired":                       {`[{"exp":1795262400}]`, nil, at("", ""), -2, ""}, // at the instant
		"a second before":               {`[{"exp":1795262401}]`, nil, at("", ""), 0, ""},
		"not yet":                       {`[{"nbf":1795262401}]`, nil, at("", ""), -2, ""},
		"other uses are counted apart":  {`[{"usages_other":0,"usages_AT":1}]`, nil, at("", ""), 0, ""},
		"other uses":                    {`[{"usages_other":1}]`, []delegation.Count{{Other: 1}}, delegation.Use{At: start, Address: netip.MustParseAddr("192.0.2.1")}, -2, ""},
		"scopes do not bind other uses": {`[{"scope":"a","usages_other":2}]`, []delegation.Count{{Other: 1}}, delegation.Use{At: start}, 0, ""},
	} {
		d, err := chain(link(parse(t, c.clauses), c.counts...)).Decide(c.use)
		if c.index == -2 {
			if e, ok := errors.AsType[*delegation.Error](err); !ok || e.Status != 403 || e.Code != "usage_restricted" || e.Description != "The restrictions of this token does not allow this usage" {
				t.Errorf("%s: got %+v, %v", name, d, err)
			}
			continue
		}
		if err != nil || d.Clauses[0] != c.index || strings.Join(d.Scopes, " ") != c.scopes {
			t.Errorf("%s: got %+v, %v", name, d, err)
		}
	}
}

func TestRefusal(t *testing.T) {
	fresh := func() delegation.Chain {
		c := chain(link(parse(t, `[{"exp":1795270000}]`)))
		c.Links[0].ExpiresAt = time.Unix(1795270000, 0)
		c.Links[0].Seq = 3
		return c
	}
	shown := delegation.Shown{ID: "sgr_1", Seq: 3}
	for name, c := range map[string]struct {
		change func(*delegation.Chain, *delegation.Shown)
		now    time.Time
		want   string
		replay bool
	}{
		"good":         {want: ""},
		"expired":      {now: time.Unix(1795270002, 0), want: "invalid_token: token is expired by 2s"},
		"an old token": {change: func(c *delegation.Chain, s *delegation.Shown) { s.Seq = 2 }, want: "invalid_token"},
		"replayed":     {change: func(c *delegation.Chain, s *delegation.Shown) { s.Seq = 2; c.Links[0].Rotation.AutoRevoke = true }, want: "invalid_token", replay: true},
		"an old one, expired": {change: func(c *delegation.Chain, s *delegation.Shown) {
			s.Seq, s.ExpiresAt, c.Links[0].Rotation.AutoRevoke = 2, start.Add(-time.Minute), true
		}, want: "invalid_token: token is expired by 1m0s"},
		"revoked": {change: func(c *delegation.Chain, s *delegation.Shown) { c.Links[0].EndedAt = start }, want: "invalid_token"},
		"not yet": {change: func(c *delegation.Chain, s *delegation.Shown) {
			c.Links[0].Clauses[0].NotBefore = start.Add(time.Second)
		}, want: "invalid_token: token is not valid yet"},
		"grant frozen":    {change: func(c *delegation.Chain, s *delegation.Shown) { c.Holder.Grant.Status = credential.Frozen }, want: "usage_restricted: The restrictions of this token does not allow this usage"},
		"account stopped": {change: func(c *delegation.Chain, s *delegation.Shown) { c.Holder.Stopped = true }, want: "usage_restricted: The restrictions of this token does not allow this usage"},
		"grant ended": {change: func(c *delegation.Chain, s *delegation.Shown) {
			c.Holder.Grant.Status, c.Holder.Grant.Reason = credential.Ending, credential.Deleted
		}, want: "invalid_token"},
		"grant expired": {change: func(c *delegation.Chain, s *delegation.Shown) { c.Holder.Grant.ExpiresAt = start.Add(-time.Second) }, want: "invalid_token: token is expired by 1s"},
		"grant ended because it expired": {change: func(c *delegation.Chain, s *delegation.Shown) {
			c.Holder.Grant.Status, c.Holder.Grant.Reason, c.Holder.Grant.ExpiresAt = credential.Ended, credential.Expired, start.Add(-90*time.Second)
		}, want: "invalid_token: token is expired by 1m30s"},
	} {
		held, token, now := fresh(), shown, c.now
		if c.change != nil {
			c.change(&held, &token)
		}
		if now.IsZero() {
			now = start
		}
		err, replay := held.Refusal(token, now)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want || replay != c.replay {
			t.Errorf("%s: got %q, %t", name, got, replay)
		}
	}
}
