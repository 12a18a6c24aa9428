package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
)

// grant makes one at our own issuer, which needs nobody's approval.
func (w *world) grant(t *testing.T, who string) api.Credential {
	t.Helper()
	k, err := w.as(t, who).CreateCredential(t.Context(), api.CredentialOrder{Kind: "grant", Name: "storage", Grant: &api.GrantOrder{Provider: "lanyard",
		Scopes: []string{"storage.read:/climate", "compute.read"}, For: "a test"}})
	check(t, err)
	return k
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	providers, err := anna.ListProviders(t.Context())
	check(t, err)
	if len(providers.Items) != 1 || providers.Items[0].ID != "lanyard" || providers.Items[0].Type != "lanyard" || providers.Items[0].Health != "fine" {
		t.Errorf("providers are %+v", providers.Items)
	}
	k := w.grant(t, "anna")
	g := k.Grant
	if k.Schema != api.SchemaGrant || k.State != "active" || k.Project != "" || g == nil || g.Provider != "lanyard" || g.For != "a test" || g.Approval != nil ||
		g.Standing != "valid" || !strings.HasPrefix(g.StandingText, "Valid, with a remaining life of 30 days") || g.NextStep != "" || g.Health != "fine" {
		t.Fatalf("the grant is %+v, %+v", k, g)
	}
	all, err := anna.ListCredentials(t.Context(), client.CredentialFilter{Kind: "grant"})
	check(t, err)
	if all.Schema != api.SchemaGrants || len(all.Items) != 1 || all.Items[0].Grant == nil || all.Items[0].Grant.Standing != "valid" {
		t.Errorf("the list is %+v", all)
	}
	for _, ref := range []string{k.ID, "storage", "lanyard"} {
		got, err := anna.ShowGrant(t.Context(), ref)
		if err != nil || got.ID != k.ID {
			t.Errorf("the grant %s is %s, %v", ref, got.ID, err)
		}
	}
	parts, err := anna.ListSubgrants(t.Context(), "lanyard")
	if err != nil || len(parts.Items) != 0 {
		t.Errorf("sub-grants: %+v, %v", parts.Items, err)
	}
	refused(t, anna.EndSubgrant(t.Context(), "sgr_NONE", true), api.NotFound)
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	k := w.grant(t, "anna")
	first, err := anna.Token(t.Context(), "lanyard", api.TokenRequest{})
	check(t, err)
	if first.Schema != api.SchemaToken || first.CredentialID != k.ID || first.Provider != "lanyard" || first.Issuer != "http://localhost" || first.TokenType != "Bearer" ||
		first.AccessToken == "" || first.ExpiresIn != 3600 || !slices.Equal(first.Scopes, k.Grant.Scopes) {
		t.Errorf("the token is %+v", first)
	}
	some, err := anna.Token(t.Context(), k.ID, api.TokenRequest{Scopes: []string{"compute.read"}, Audiences: []string{"https://se.example.org"}, MinValid: 600})
	check(t, err)
	if !slices.Equal(some.Scopes, []string{"compute.read"}) || !slices.Equal(some.Audiences, []string{"https://se.example.org"}) {
		t.Errorf("the narrower token is %+v", some)
	}
	_, err = anna.Token(t.Context(), k.ID, api.TokenRequest{Scopes: []string{"storage.read:/ice"}})
	if p := refused(t, err, api.Denied); !strings.Contains(p.Detail, "storage.read:/ice") {
		t.Errorf("refused with %+v", p)
	}
	_, err = w.as(t, "ben").Token(t.Context(), k.ID, api.TokenRequest{})
	refused(t, err, api.NotFound)

	narrowed, err := anna.Narrow(t.Context(), k.ID, api.Narrowing{Scopes: []string{"compute.read"}})
	if err != nil || !slices.Equal(narrowed.Grant.Scopes, []string{"compute.read"}) {
		t.Errorf("narrowed is %+v, %v", narrowed.Grant, err)
	}
	_, err = anna.Token(t.Context(), k.ID, api.TokenRequest{Scopes: []string{"storage.read:/climate"}})
	if p := refused(t, err, api.Denied); !strings.Contains(p.Detail, "storage.read:/climate") {
		t.Errorf("refused with %+v", p)
	}

	frozen, err := anna.FreezeCredential(t.Context(), k.ID)
	if err != nil || frozen.Grant.Standing != "paused" {
		t.Errorf("frozen is %+v, %v", frozen.Grant, err)
	}
	_, err = anna.Token(t.Context(), k.ID, api.TokenRequest{})
	if p := refused(t, err, api.Conflict); !strings.Contains(p.Detail, "frozen") {
		t.Errorf("refused with %+v", p)
	}
	_, err = anna.ThawCredential(t.Context(), k.ID)
	check(t, err)
	_, err = anna.DeleteCredential(t.Context(), k.ID)
	check(t, err)
	if _, err = anna.Token(t.Context(), k.ID, api.TokenRequest{}); err == nil {
		t.Error("a deleted grant gives tokens")
	}
	if strings.Contains(w.log.String(), first.AccessToken.Reveal()) {
		t.Error("a token is in the log")
	}
}
