package grant_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	kind "github.com/lanyardhq/lanyard/internal/kind/grant"
)

// What the broker asks of the kind.
var (
	_ credential.Personal  = (*kind.Kind)(nil)
	_ credential.Lingering = (*kind.Kind)(nil)
	_ credential.Bounded   = (*kind.Kind)(nil)
)

var refusal = fault.New(fault.Denied, "no such path for you")

func newKind() *kind.Kind {
	return &kind.Kind{Providers: map[string]grant.Provider{
		"helmholtz": {ID: "helmholtz", Scopes: []string{"openid", "profile"}, Audiences: []string{"https://se.example.org"}, Audience: "resource", MaxLife: time.Hour},
		"none":      {ID: "none"},
		"own":       {ID: "own", Type: grant.Lanyard, Scopes: []string{"storage.read:/"}},
	}, Judge: func(_ context.Context, a identity.Account, s grant.Spec) error {
		if a.ID != "usr_ann" || s.Scopes[0] != "storage.read:/" {
			return refusal
		}
		return nil
	}}
}

func TestMake(t *testing.T) {
	ann := identity.Account{ID: "usr_ann"}
	for name, tc := range map[string]struct {
		spec  string
		owner identity.Account
		want  grant.Spec
		waits bool
		code  fault.Code
	}{
		"what is usual":       {`{"provider":"helmholtz"}`, ann, grant.Spec{Provider: "helmholtz", Scopes: []string{"openid", "profile"}, Audiences: []string{"https://se.example.org"}}, true, ""},
		"what is named":       {`{"provider":"helmholtz","scopes":["openid"],"audiences":["x"],"for":"jobs","narrowed":true}`, ann, grant.Spec{Provider: "helmholtz", Scopes: []string{"openid"}, Audiences: []string{"x"}, For: "jobs"}, true, ""},
		"our own":             {`{"provider":"own"}`, ann, grant.Spec{Provider: "own", Scopes: []string{"storage.read:/"}}, false, ""},
		"our own, not theirs": {`{"provider":"own"}`, identity.Account{ID: "usr_bob"}, grant.Spec{}, false, fault.Denied},
		"no audiences":        {`{"provider":"none","audiences":["x"]}`, ann, grant.Spec{}, false, fault.Invalid},
		"no such provider":    {`{"provider":"other"}`, ann, grant.Spec{}, false, fault.Invalid},
		"no JSON":             {`provider`, ann, grant.Spec{}, false, fault.Invalid},
	} {
		made, err := newKind().Make(t.Context(), credential.Order{Spec: []byte(tc.spec), Owner: tc.owner})
		if fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		got, err := grant.ParseSpec(made.Spec)
		if err != nil || !cmp.Equal(got, tc.want) || made.Waits != tc.waits || len(made.State) > 0 {
			t.Errorf("%s: %+v, %v: %s", name, made, err, cmp.Diff(tc.want, got))
		}
		if again, _ := newKind().Make(t.Context(), credential.Order{Spec: []byte(tc.spec), Owner: tc.owner}); again.PublicID == made.PublicID {
			t.Errorf("%s: two grants are called %s", name, made.PublicID)
		}
	}
}

func TestBound(t *testing.T) {
	made := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for spec, want := range map[string]time.Time{`{"provider":"helmholtz","scopes":[]}`: made.Add(time.Hour), `{"provider":"own","scopes":[]}`: {}, `?`: {}} {
		if got := newKind().Bound(credential.Credential{Spec: []byte(spec), CreatedAt: made}); !got.Equal(want) {
			t.Errorf("%s: %s", spec, got)
		}
	}
	if m, err := newKind().Material(t.Context(), credential.Credential{ExpiresAt: made}, nil); err != nil || !m.ExpiresAt.Equal(made) {
		t.Errorf("%+v, %v", m, err)
	}
}
