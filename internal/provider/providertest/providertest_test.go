package providertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// approve obtains the first refresh token of anna's, by hand.
func approve(t *testing.T, p *providertest.Provider, scope, resource string) answer {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	q := url.Values{"client_id": {"public"}, "response_type": {"code"}, "redirect_uri": {providertest.Redirect}, "scope": {scope},
		"prompt": {"consent"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"}, "login_hint": {"anna"}}
	if resource != "" {
		q.Set("resource", resource)
	}
	back := p.Approve(t, p.Issuer+"/auth?"+q.Encode())
	a, _ := token(t, p, url.Values{"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {providertest.Redirect}, "code_verifier": {verifier}})
	return a
}

type answer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func token(t *testing.T, p *providertest.Provider, form url.Values) (answer, error) {
	t.Helper()
	form.Set("client_id", "public")
	r, err := http.PostForm(p.Issuer+"/token", form)
	if err != nil {
		return answer{}, err
	}
	defer r.Body.Close()
	var a answer
	_ = json.NewDecoder(r.Body).Decode(&a)
	return a, nil
}

func refresh(t *testing.T, p *providertest.Provider, with string) (answer, error) {
	t.Helper()
	return token(t, p, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {with}})
}

func TestReuseOfARotatedTokenEndsTheFamily(t *testing.T) {
	p := providertest.Start(t, providertest.Options{Rotate: true})
	first := approve(t, p, "openid offline_access", "")
	second, err := refresh(t, p, first.Refresh)
	if err != nil || second.Refresh == "" || second.Refresh == first.Refresh {
		t.Fatalf("%+v, %v: not rotated", second, err)
	}
	p.Inject(providertest.OfRefreshes(providertest.Drop, 1, 1))
	if a, err := refresh(t, p, second.Refresh); err == nil {
		t.Fatalf("the answer %+v was passed on", a)
	}
	p.Inject(nil)
	if granted, reused := p.Refreshes(); granted != 2 || reused != 0 || p.Injected(providertest.Drop) != 1 {
		t.Errorf("%d granted, %d reused, %d dropped", granted, reused, p.Injected(providertest.Drop))
	}
	if a, _ := refresh(t, p, second.Refresh); a.Error != "invalid_grant" {
		t.Errorf("a used token gave %+v", a)
	}
	if _, reused := p.Refreshes(); reused != 1 {
		t.Errorf("%d counted as used again", reused)
	}
}

func TestWithoutRotationTheTokenStays(t *testing.T) {
	p := providertest.Start(t, providertest.Options{JWT: true})
	first := approve(t, p, "openid offline_access storage.read:/data", "https://se.example.org")
	if strings.Count(first.Access, ".") != 2 {
		t.Errorf("%q is no JWT", first.Access)
	}
	for range 2 {
		if a, err := refresh(t, p, first.Refresh); err != nil || a.Access == "" || a.Refresh != first.Refresh && a.Refresh != "" {
			t.Errorf("got %+v, %v", a, err)
		}
	}
}
