package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/wlcg"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
	storeService  = "https://storage.example.org"
)

// A hub is a web service where people sign in through the server, as JupyterHub does.
type hub struct {
	t      *testing.T
	portal string
	oauth2.Config
}

// hubs configures two web services: the first may exchange tokens by the operator's rule, the other
// may not. The server's address is known once it runs.
func hubs(t *testing.T, s *settings) (first, other *hub) {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "back at the hub") }))
	t.Cleanup(front.Close)
	all := map[string]*hub{}
	s.extra += "clients:\n"
	for _, id := range []string{"hub", "other"} {
		file := filepath.Join(t.TempDir(), "secret")
		all[id] = &hub{t: t, Config: oauth2.Config{ClientID: id, ClientSecret: "secretOfThe" + id, RedirectURL: front.URL + "/" + id, Scopes: []string{"openid", "offline_access"}}}
		if err := os.WriteFile(file, []byte(all[id].ClientSecret), 0o600); err != nil {
			t.Fatal(err)
		}
		s.extra += fmt.Sprintf("  - {id: %s, redirect_uris: [%q], secret_file: %s}\n", id, all[id].RedirectURL, file)
	}
	s.tokens = `  exchanges: [{client: hub, providers: [nop], scopes: ["storage.read:/climate/public", openid, profile]}]` + "\n"
	return all["hub"], all["other"]
}

// of says which server it is.
func (h *hub) of(portal string) {
	h.portal = portal
	h.Endpoint = oauth2.Endpoint{AuthURL: portal + "/authorize", TokenURL: portal + "/token", AuthStyle: oauth2.AuthStyleInHeader}
}

// signsIn is a person who signs in at the hub, in a browser that knows them.
func (h *hub) signsIn(p *person) *oauth2.Token {
	h.t.Helper()
	verifier := oauth2.GenerateVerifier()
	resp, err := p.jar.Get(h.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	q := resp.Request.URL.Query()
	if q.Get("code") == "" || q.Get("state") != "state" {
		h.t.Fatalf("the sign-in ended at %s", resp.Request.URL)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	token, err := h.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// An oauthAnswer is what the server answers to a client.
type oauthAnswer struct {
	status  int
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"issued_token_type"`
	Scope   string `json:"scope"`
	Life    int    `json:"expires_in"`
	Error   string `json:"error"`
	Text    string `json:"error_description"`
	Active  bool   `json:"active"`
}

// post sends a form to the server at path, as the hub.
func (h *hub) post(path string, form url.Values) (a oauthAnswer) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.portal+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(h.ClientID, h.ClientSecret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a); err != nil {
			h.t.Fatalf("%s answers %s: %s", path, resp.Status, text)
		}
	}
	a.status = resp.StatusCode
	return a
}

// swap exchanges a person's token. Pairs are further parameters.
func (h *hub) swap(token string, pairs ...string) oauthAnswer {
	h.t.Helper()
	form := url.Values{"grant_type": {exchangeGrant}, "subject_token": {token}, "subject_token_type": {accessType}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return h.post("/token", form)
}

// claimsOf verifies a token as storage does: by what the issuer publishes.
func (s *site) claimsOf(t *testing.T, token string) wlcg.Claims {
	t.Helper()
	keys := func(ctx context.Context, _ string) (wlcg.KeySet, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.portal+"/jwks", nil)
		if err != nil {
			return wlcg.KeySet{}, err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return wlcg.KeySet{}, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return wlcg.KeySet{}, err
		}
		return wlcg.ParseKeySet(text)
	}
	claims, err := wlcg.Verifier{Issuer: s.portal, Audiences: []string{storeService}, Keys: keys, Now: time.Now}.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestHubExchanges is a notebook server that gets tokens for a person who signed in there: ours for
// storage, and a provider's by what the person approved. It gets no more than the rule says.
func TestHubExchanges(t *testing.T) {
	t.Parallel()
	var s settings
	h, other := hubs(t, &s)
	g := newGrantSite(t, providertest.Options{Rotate: true}, s)
	h.of(g.portal)
	other.of(g.portal)
	anna := g.signIn("anna")
	login := h.signsIn(anna)

	a := h.swap(login.AccessToken, "scope", "storage.read:/climate/public/cmip6", "audience", storeService)
	if a.status != http.StatusOK || a.Type != accessType || a.Scope != "storage.read:/climate/public/cmip6" || a.Refresh != "" || a.Life <= 0 {
		t.Fatalf("for storage: %+v", a)
	}
	c := g.claimsOf(t, a.Access)
	if !slices.Equal(c.Scope, []string{"storage.read:/climate/public/cmip6"}) || c.Version != "1.0" || c.ClientID != "hub" || c.Actor != nil {
		t.Errorf("claims %+v", c)
	}
	if i := h.post("/introspect", url.Values{"token": {a.Access}}); !i.Active {
		t.Errorf("the new token: %+v", i)
	}
	narrower := h.swap(a.Access, "scope", "storage.read:/climate/public/cmip6/tas")
	if narrower.status != http.StatusOK || g.claimsOf(t, narrower.Access).ExpiresAt.After(c.ExpiresAt) {
		t.Errorf("narrower still: %+v", narrower)
	}

	// What the person has not approved is not there, and the answer says what they can do.
	if a := h.swap(login.AccessToken, "audience", "nop"); a.Error != "invalid_target" || !strings.Contains(a.Text, "lanyard token approve nop") {
		t.Errorf("before the approval: %+v", a)
	}
	anna.approvesAt("nop")
	theirs := h.swap(login.AccessToken, "audience", "nop", "scope", "openid profile")
	if theirs.status != http.StatusOK || theirs.Refresh != "" || g.whoseAt(theirs.Access) != "anna" {
		t.Errorf("the provider's: %+v", theirs)
	}

	cli := anna.accessToken()
	for name, refused := range map[string]struct {
		got  oauthAnswer
		want string
	}{
		"more than the rule":            {h.swap(login.AccessToken, "scope", "storage.read:/climate", "audience", storeService), "invalid_scope"},
		"another action":                {h.swap(login.AccessToken, "scope", "storage.modify:/climate/public", "audience", storeService), "invalid_scope"},
		"wider than the token":          {h.swap(narrower.Access, "scope", "storage.read:/elsewhere"), "invalid_scope"},
		"an unknown service":            {h.swap(login.AccessToken, "scope", "storage.read:/climate/public", "audience", "https://elsewhere.example.org"), "invalid_target"},
		"more of the provider":          {h.swap(login.AccessToken, "audience", "nop", "scope", "openid email"), "invalid_scope"},
		"a refresh token":               {h.swap(login.RefreshToken, "audience", "nop"), "invalid_request"},
		"a token of the command line":   {h.swap(cli, "audience", "nop"), "unauthorized_client"},
		"the hub's token":               {other.swap(login.AccessToken, "scope", "storage.read:/climate/public", "audience", storeService), "unauthorized_client"},
		"the hub's minted token":        {other.swap(a.Access), "unauthorized_client"},
		"a provider without a rule":     {other.swap(other.signsIn(anna).AccessToken, "audience", "nop"), "invalid_target"},
		"nobody who proves who that is": {(&hub{t: t, portal: g.portal, Config: oauth2.Config{ClientID: "hub", ClientSecret: "x"}}).swap(login.AccessToken, "audience", "nop"), "invalid_client"},
	} {
		if refused.got.Error != refused.want || refused.got.Access != "" {
			t.Errorf("%s: %+v, want %s", name, refused.got, refused.want)
		}
	}

	// The person's sign-in at the hub ends, and all that hangs on it with it.
	if r := h.post("/revoke", url.Values{"token": {login.RefreshToken}}); r.status != http.StatusOK {
		t.Fatalf("to revoke: %+v", r)
	}
	for _, pairs := range [][]string{{"audience", "nop"}, {"scope", "storage.read:/climate/public", "audience", storeService}} {
		if a := h.swap(login.AccessToken, pairs...); a.Error != "invalid_request" || a.Access != "" {
			t.Errorf("after the end of the session, %q: %+v", pairs, a)
		}
	}
	for name, token := range map[string]string{"token": a.Access, "narrower token": narrower.Access} {
		if i := h.post("/introspect", url.Values{"token": {token}}); i.Active {
			t.Errorf("the %s outlives the session", name)
		}
		if a := h.swap(token); a.Error != "invalid_request" {
			t.Errorf("the %s of a session that ended: %+v", name, a)
		}
	}
	if who := g.whoseAt(strings.TrimSpace(anna.lanyard("token", "get", "nop", "--force"))); who != "anna" {
		t.Error("her grant ended with a session at the hub")
	}
	records := g.run(command{args: []string{"admin", "audit", "--data-dir", filepath.Join(g.dir, "data"), "--limit", "200"}})
	if n := strings.Count(records.ok(t), "token.exchange"); n < 3 {
		t.Errorf("the audit trail tells of %d exchanges:\n%s", n, records.out)
	}
}
