package s3key_test

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

var _ credential.Kind = s3key.Kind{}

func TestMake(t *testing.T) {
	id, secret := regexp.MustCompile(`^LYD[A-Z0-9]{17}$`), regexp.MustCompile(`^[A-Za-z0-9]{40}$`)
	seen := map[string]bool{}
	for range 100 {
		made, err := s3key.Kind{}.Make(t.Context(), credential.Order{Spec: json.RawMessage(`{"mode":"read"}`)})
		if err != nil {
			t.Fatal(err)
		}
		c := credential.Credential{PublicID: made.PublicID, Spec: made.Spec, ExpiresAt: time.Unix(99, 0)}
		m, err := s3key.Kind{}.Material(t.Context(), c, made.State)
		if err != nil {
			t.Fatal(err)
		}
		text := m.S3.SecretAccessKey.Reveal()
		if !id.MatchString(m.S3.AccessKeyID) || !secret.MatchString(text) || !m.ExpiresAt.Equal(c.ExpiresAt) {
			t.Fatalf("made id %q, a secret of %d characters, end %v", m.S3.AccessKeyID, len(text), m.ExpiresAt)
		}
		if seen[m.S3.AccessKeyID] || seen[text] {
			t.Fatal("the same twice")
		}
		seen[m.S3.AccessKeyID], seen[text] = true, true
	}
}

func TestOpenRefusesForeignState(t *testing.T) {
	for _, state := range []string{"", "short"} {
		if _, _, err := s3key.Open(credential.Credential{PublicID: "LYDX"}, credential.State(state)); err == nil {
			t.Errorf("%q was taken for a secret", state)
		}
	}
}

func TestParseRights(t *testing.T) {
	type grants = []s3key.Grant
	for _, c := range []struct {
		spec string
		want s3key.Rights
		code fault.Code
	}{
		{spec: ``, want: s3key.Rights{Mode: s3key.ReadWrite}},
		{spec: `null`, want: s3key.Rights{Mode: s3key.ReadWrite}},
		{spec: `{"mode":"read"}`, want: s3key.Rights{Mode: s3key.ReadOnly}},
		{spec: `{"mode":"custom","grants":[
			{"bucket":"raw-data","prefix":"b/","write":true},
			{"bucket":"raw-data","prefix":"a/","read":true},
			{"bucket":"other","delete":true},
			{"bucket":"raw-data","prefix":"b/","read":true}]}`,
			want: s3key.Rights{Mode: s3key.Custom, Grants: grants{
				{Bucket: "other", Delete: true},
				{Bucket: "raw-data", Prefix: "a/", Read: true},
				{Bucket: "raw-data", Prefix: "b/", Read: true, Write: true}}}},
		{spec: `{}`, code: fault.Invalid},
		{spec: `{"mode":"admin"}`, code: fault.Invalid},
		{spec: `{"mode":"read","grants":[{"bucket":"data","read":true}]}`, code: fault.Invalid},
		{spec: `{"mode":"custom"}`, code: fault.Invalid},
		{spec: `{"mode":"custom","grants":[{"bucket":"data"}]}`, code: fault.Invalid},
		{spec: `{"mode":"custom","grants":[{"bucket":"../etc","read":true}]}`, code: fault.Invalid},
		{spec: `{"mode":"custom","grants":[{"bucket":"data","prefix":"a\u0000","read":true}]}`, code: fault.Invalid},
		{spec: `{"mode":"custom","grants":[{"bucket":"data","read":true,"admin":true}]}`, code: fault.Invalid},
		{spec: `{"mode":"read"} {"mode":"read-write"}`, code: fault.Invalid},
		{spec: `[`, code: fault.Invalid},
	} {
		got, err := s3key.ParseRights(json.RawMessage(c.spec))
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: error %v, want code %q", c.spec, err, c.code)
		}
		if d := cmp.Diff(c.want, got); c.code == "" && d != "" {
			t.Errorf("%s: %s", c.spec, d)
		}
	}
}

func TestAllows(t *testing.T) {
	custom := s3key.Rights{Mode: s3key.Custom, Grants: []s3key.Grant{
		{Bucket: "data", Prefix: "in/", Read: true},
		{Bucket: "data", Prefix: "out/", Read: true, Write: true},
		{Bucket: "scratch", Read: true, Write: true, Delete: true}}}
	for _, c := range []struct {
		rights      s3key.Rights
		action      s3key.Action
		bucket, key string
		want        bool
	}{
		{s3key.Rights{Mode: s3key.ReadWrite}, s3key.Manage, "data", "", true},
		{s3key.Rights{Mode: s3key.ReadWrite}, s3key.Delete, "data", "x", true},
		{s3key.Rights{Mode: s3key.ReadOnly}, s3key.List, "data", "", true},
		{s3key.Rights{Mode: s3key.ReadOnly}, s3key.Read, "data", "x", true},
		{s3key.Rights{Mode: s3key.ReadOnly}, s3key.Write, "data", "x", false},
		{s3key.Rights{Mode: s3key.ReadOnly}, s3key.Delete, "data", "x", false},
		{s3key.Rights{Mode: s3key.ReadOnly}, s3key.Manage, "data", "", false},
		{custom, s3key.Read, "data", "in/x", true},
		{custom, s3key.Read, "data", "in", false},
		{custom, s3key.Read, "data", "other/x", false},
		{custom, s3key.Read, "dat", "in/x", false},
		{custom, s3key.Write, "data", "in/x", false},
		{custom, s3key.Write, "data", "out/x", true},
		{custom, s3key.Delete, "data", "out/x", false},
		{custom, s3key.List, "data", "", false},
		{custom, s3key.List, "data", "in/", true},
		{custom, s3key.List, "data", "in/deeper/", true},
		{custom, s3key.List, "scratch", "", true},
		{custom, s3key.Delete, "scratch", "anything", true},
		{custom, s3key.Manage, "scratch", "", false},
		{s3key.Rights{}, s3key.Read, "data", "x", false},
	} {
		if got := c.rights.Allows(c.action, c.bucket, c.key); got != c.want {
			t.Errorf("%v %v on %s/%s: %v", c.rights, c.action, c.bucket, c.key, got)
		}
	}
	if custom.Sees("other") || !custom.Sees("data") || !(s3key.Rights{Mode: s3key.ReadOnly}).Sees("other") {
		t.Error("sees the wrong buckets")
	}
}
