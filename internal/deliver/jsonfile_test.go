package deliver_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
)

func TestMembers(t *testing.T) {
	const mine = `{"url":"u"}`
	for name, tt := range map[string]struct{ old, set, removed string }{
		"no file":      {"", "{\n  \"aliases\": {\n  \"n\": " + mine + "\n}\n}\n", "{\n  \"aliases\": {\n}\n}\n"},
		"beside other": {`{ "aliases": { "o" : 1 }, "x":[1, 2] }`, `{ "aliases": {` + "\n  \"n\": " + mine + `, "o" : 1 }, "x":[1, 2] }`, `{ "aliases": { "o" : 1 }, "x":[1, 2] }`},
		"in place":     {`{"aliases":{"o":1,"n":{"old":true}}}`, `{"aliases":{"o":1,"n":` + mine + `}}`, `{"aliases":{"o":1}}`},
		"name in text": {`{"a":"\"n\":","aliases":{}}`, `{"a":"\"n\":","aliases":{` + "\n  \"n\": " + mine + "\n}}", `{"a":"\"n\":","aliases":{` + "\n}}"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := deliver.SetMember([]byte(tt.old), json.RawMessage(mine), "aliases", "n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.set, string(got)); diff != "" {
				t.Error(diff)
			}
			removed, err := deliver.RemoveMember(got, "aliases", "n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.removed, string(removed)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{"[]", "{", `{"aliases":3}`, "x"} {
		if _, err := deliver.SetMember([]byte(bad), json.RawMessage(mine), "aliases", "n"); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want an invalid fault", bad, err)
		}
	}
}

// FuzzMembers checks on any document that setting a member yields JSON that holds it, and that
// removing it again yields JSON without it.
func FuzzMembers(f *testing.F) {
	f.Add(`{"aliases":{"a":{"b":"\\\"n\":"},"n":1}}`)
	f.Add(`{"n":{},"aliases" : {} ,"n":2}`)
	f.Add(" \n")
	f.Add(`{"aliases":{"n":1,"z":2,"n":3}}`)
	f.Fuzz(func(t *testing.T, old string) {
		got, err := deliver.SetMember([]byte(old), json.RawMessage(`"v"`), "aliases", "n")
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q became %q, which is no JSON", old, got)
		}
		if got, err = deliver.RemoveMember(got, "aliases", "n"); err != nil || !json.Valid(got) {
			t.Fatalf("%q: removing gave %q, %v", old, got, err)
		}
	})
}
