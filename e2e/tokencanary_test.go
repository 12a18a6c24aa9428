package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	mytokenapi "github.com/oidc-mytoken/api/v0"
	mytokenlib "github.com/oidc-mytoken/lib"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// TestNoTokenLeaks uses every sort of token and code there is, also in wrong places, and then looks
// for each as TestNoSecretLeaks does.
func TestNoTokenLeaks(t *testing.T) {
	t.Parallel()
	conf := settings{extra: "log: {level: debug}\n"}
	h, _ := hubs(t, &conf)
	g := newWatchedSite(t, providertest.Options{Rotate: true}, conf)
	h.of(g.portal)
	seen := &sent{times: map[string]int{}}
	g.provider.Inject(seen.watch)
	watch, stop := context.WithCancel(t.Context())
	lines := watchProcesses(watch)
	anna := g.signIn("anna")
	id := anna.approvesAt("nop")
	c := anna.api()
	secrets := map[string]string{"client secret at the provider": "secret-of-basic", "client secret of the hub": h.ClientSecret}
	for n := range 3 {
		got, err := c.Token(t.Context(), id, api.TokenRequest{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		secrets[fmt.Sprint("access token ", n)] = got.AccessToken.Reveal()
	}
	anna.lanyard("token", "approve", "lanyard")
	secrets["minted token"] = anna.lanyard("token", "get", "lanyard")
	login := h.signsIn(anna)
	secrets["access token of the hub"], secrets["refresh token of the hub"] = login.AccessToken, login.RefreshToken
	secrets["exchanged token"] = h.swap(login.AccessToken, "scope", "storage.read:/climate/public", "audience", storeService).Access

	s, err := mytokenlib.NewMytokenServer(g.portal + "/mytoken")
	if err != nil {
		t.Fatal(err)
	}
	flow, err := s.Mytoken.APIInitAuthorizationFlow(mytokenapi.GeneralMytokenRequest{Issuer: g.provider.Issuer, Name: "jobs", Capabilities: mytokenapi.NewCapabilities([]string{"AT", "create_mytoken", "tokeninfo"})})
	if err != nil {
		t.Fatal(err)
	}
	anna.agrees(flow.ConsentURI)
	root, err := s.Mytoken.APIPollOnce(flow.PollingCode)
	if err != nil || root == nil {
		t.Fatalf("after consent: %v, %v", root, err)
	}
	child, err := s.Mytoken.APIFromMytoken(root.Mytoken, "", nil, mytokenapi.NewCapabilities([]string{"AT"}), nil, mytokenapi.ResponseTypeToken, "node")
	if err != nil {
		t.Fatal(err)
	}
	passed, err := s.Transfer.APICreate(root.Mytoken)
	if err != nil {
		t.Fatal(err)
	}
	secrets["polling code"], secrets["mytoken"], secrets["mytoken below"], secrets["transfer code"] = flow.PollingCode, root.Mytoken, child.Mytoken, passed.TransferCode
	if at, err := s.AccessToken.APIGet(child.Mytoken, "", nil, nil, ""); err != nil {
		t.Error(err)
	} else {
		secrets["access token by a mytoken"] = at.AccessToken
	}
	for token := range seen.times {
		secrets[fmt.Sprint("refresh token ", len(secrets))] = token
	}
	for name, token := range secrets { // of signed tokens also what is worth most
		if i := strings.LastIndexByte(token, '.'); i > 0 {
			secrets["signature of "+name] = token[i+1:]
		}
	}

	texts := g.misplace(anna, h, secrets)
	anna.lanyard("token", "revoke", id, "--yes")
	stop()
	g.stop()
	for place, text := range files(t, filepath.Join(g.dir, "data")) {
		search(t, "the file "+place, text, secrets)
	}
	search(t, "the server's log", g.log.String(), secrets)
	search(t, "error texts", texts, secrets)
	search(t, "command lines and environments", lines(), secrets)
	if len(find(strings.Join(values(files(t, anna.home)), "\n"), secrets)) == 0 {
		t.Error("the search finds nothing even where secrets are")
	}
	if len(secrets) < 18 {
		t.Errorf("only %d secrets were in use", len(secrets))
	}
}

// misplace sends all secrets to where none, or another, belongs, and returns the texts of the answers.
func (g *grantSite) misplace(p *person, h *hub, secrets map[string]string) string {
	g.t.Helper()
	var texts strings.Builder
	send := func(method, path, kind, body string) {
		r, err := http.NewRequestWithContext(g.t.Context(), method, g.portal+path, strings.NewReader(body))
		if err != nil {
			g.t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		r.SetBasicAuth(h.ClientID, h.ClientSecret)
		resp, err := p.jar.Do(r)
		if err != nil {
			g.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			g.t.Fatal(err)
		}
		texts.Write(text)
	}
	const form = "application/x-www-form-urlencoded"
	for _, secret := range secrets {
		q := url.QueryEscape(secret)
		for _, use := range []string{
			"grant_type=refresh_token&refresh_token=" + q + "x", "grant_type=authorization_code&code=" + q, "grant_type=" + exchangeGrant + "&subject_token_type=" + accessType + "&subject_token=" + q + "x",
			"grant_type=" + exchangeGrant + "&subject_token=x&subject_token_type=" + q, "grant_type=" + q,
		} {
			send(http.MethodPost, "/token", form, use)
		}
		send(http.MethodGet, "/approvals/callback/nop?code="+q+"&state="+q, form, "")
		send(http.MethodGet, "/mytoken/api/v0/token/access?mytoken="+q, form, "")
		for _, use := range []string{`{"grant_type":"polling_code","polling_code":"%sx"}`, `{"grant_type":"transfer_code","transfer_code":"%sx"}`, `{"grant_type":"mytoken","mytoken":"%sx"}`, `{"grant_type":"%s"}`} {
			send(http.MethodPost, "/mytoken/api/v0/token/my", "application/json", fmt.Sprintf(use, secret))
		}
		send(http.MethodPost, "/mytoken/api/v0/token/access", "application/json", fmt.Sprintf(`{"grant_type":"mytoken","mytoken":%q,"scope":"nothing of the kind"}`, secret+"x"))
		send(http.MethodPost, "/mytoken/api/v0/token/revoke", "application/json", fmt.Sprintf(`{"token":%q}`, secret+"x"))
		send(http.MethodPost, "/introspect", form, "token="+q+"x")
		r := p.run(command{args: []string{"--debug", "token", "list"}, env: []string{"LANYARD_TOKEN=" + secret + "x"}})
		texts.WriteString(r.out + r.err)
	}
	return texts.String()
}
