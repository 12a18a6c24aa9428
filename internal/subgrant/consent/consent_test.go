package consent_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/subgrant/consent"
)

// wish reads a request.
func wish(t *testing.T, text string) delegation.Wish {
	t.Helper()
	w, err := delegation.ParseWish([]byte(text), time.Unix(1_795_262_400, 0))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestSpec(t *testing.T) {
	p := grant.Provider{ID: "op", Scopes: []string{"openid", "compute.read"}}
	for ask, want := range map[string]string{
		`{}`: `{"provider":"op","scopes":["openid","compute.read"]}`,
		`{"application_name":"jobs","restrictions":[{"scope":"a b","audience":["x"]},{"scope":"b c","audience":["y","x"]}]}`: `{"provider":"op","scopes":["a","b","c"],"audiences":["x","y"],"for":"jobs"}`,
		`{"name":"mine","restrictions":[{"scope":"a","audience":["x"]},{}]}`:                                                 `{"provider":"op","scopes":["openid","compute.read"],"for":"mine"}`,
	} {
		if got := string(consent.Spec(wish(t, ask), p).Encode()); got != want {
			t.Errorf("%s: got %s, want %s", ask, got, want)
		}
	}
}

func TestNarrowed(t *testing.T) {
	f := delegation.Flow{Address: "192.0.2.1", Wish: wish(t, `{"capabilities":["AT","tokeninfo"],"restrictions":[{"exp":1900000000,"scope":"a b"}],"rotation":{"on_AT":true}}`)}
	for change, want := range map[string]string{
		`{}`: `[["AT","tokeninfo"],[{"exp":1900000000,"scope":"a b"}]]`,
		`{"capabilities":["tokeninfo:history"],"restrictions":[{"exp":1800000000,"scope":"b","hosts":["this"]}]}`: `[["tokeninfo:history"],[{"exp":1800000000,"scope":"b","hosts":["192.0.2.1"]}]]`,
		`{"capabilities":["create_mytoken"]}`:                   "",
		`{"restrictions":[{"exp":1900000001,"scope":"a"}]}`:     "",
		`{"restrictions":[{"scope":"a"}]}`:                      "", // without an end
		`{"restrictions":[{"exp":1800000000,"scope":"a b c"}]}`: "",
		`{"restrictions":[{"exp":1800000000}]}`:                 "",
		`{"rotation":{"auto_revoke":true}}`:                     "", // which never replaces it
	} {
		got, err := consent.Narrowed(f, wish(t, change))
		if want == "" {
			if fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s: got %s, %v", change, text(got.Clauses), err)
			}
		} else if now := text([]any{got.Capabilities, got.Clauses}); now != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", change, now, err, want)
		}
	}
}

func TestGranted(t *testing.T) {
	asked := wish(t, `{"restrictions":[{"scope":"a b","audience":["x"]},{"scope":"c"},{"usages_AT":1}]}`).Clauses
	for name, tc := range map[string]struct {
		given grant.Tokens
		want  string
	}{
		"nothing is said": {grant.Tokens{}, `[{"scope":"a b","audience":["x"]},{"scope":"c"},{"usages_AT":1}]`},
		"less scope":      {grant.Tokens{Scopes: []string{"b", "openid"}}, `[{"scope":"b","audience":["x"]},{"usages_AT":1}]`},
		"no audience":     {grant.Tokens{Scopes: []string{"a", "b", "c"}, Audiences: []string{"y"}}, `[{"scope":"c"},{"usages_AT":1}]`},
	} {
		if got, err := consent.Granted(asked, tc.given); text(got) != tc.want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", name, text(got), err, tc.want)
		}
	}
	if got, err := consent.Granted(asked[:1], grant.Tokens{Scopes: []string{"z"}}); err == nil {
		t.Errorf("nothing was granted, and it may %s", text(got))
	}
	if got, err := consent.Granted(nil, grant.Tokens{Scopes: []string{"z"}}); err != nil || len(got) != 0 {
		t.Errorf("no condition became %s, %v", text(got), err)
	}
}
