package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// Each provider is asked as it wants to be.
func TestQuirks(t *testing.T) {
	two := []string{"https://a.example.org", "https://b.example.org"}
	for name, tc := range map[string]struct {
		change             func(*grant.Provider)
		wish               grant.Wish
		authorize, refresh url.Values
	}{
		"plain": {func(*grant.Provider) {}, grant.Wish{},
			url.Values{"scope": {"openid offline_access"}}, url.Values{}},
		"Google": {func(p *grant.Provider) { p.Offline = "access_type" }, grant.Wish{},
			url.Values{"scope": {"openid"}, "access_type": {"offline"}, "prompt": {"consent"}}, url.Values{}},
		"Helmholtz": {func(p *grant.Provider) {
			p.Offline, p.Audience, p.RefreshScope = "consent", "resource", "repeat"
			p.ExtraAuthParams = map[string]string{"claims_in_tokens": "id_token token"}
		}, grant.Wish{Scopes: []string{"openid", "email", "offline_access"}, Audiences: two},
			url.Values{"scope": {"openid email offline_access"}, "prompt": {"consent"}, "resource": two, "claims_in_tokens": {"id_token token"}},
			url.Values{"scope": {"openid email"}, "resource": two}},
		"INDIGO IAM": {func(p *grant.Provider) { p.Audience, p.AudienceSeparator = "audience", "space" }, grant.Wish{Audiences: two},
			url.Values{"scope": {"openid offline_access"}, "audience": {strings.Join(two, " ")}}, url.Values{"audience": {strings.Join(two, " ")}}},
		"Keycloak": {func(p *grant.Provider) {
			p.Offline, p.ExtraTokenParams = "none", map[string]string{"tenant": "x"}
		}, grant.Wish{}, url.Values{"scope": {"openid"}}, url.Values{"tenant": {"x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.says("/token", 200, `{"access_token":"at","token_type":"bearer","expires_in":60}`)
			p := f.config()
			tc.change(&p)
			c := f.client(t, p)
			a, err := c.Begin(t.Context(), tc.wish, provider.Hint{Login: "anna"})
			if err != nil {
				t.Fatal(err)
			}
			q := query(t, a.URL)
			for _, random := range []string{"state", "nonce", "code_challenge"} {
				if len(q.Get(random)) < 26 {
					t.Errorf("%s is %q", random, q.Get(random))
				}
				q.Del(random)
			}
			for _, fixed := range []struct{ name, value string }{{"client_id", "us"}, {"response_type", "code"}, {"redirect_uri", providertest.Redirect},
				{"code_challenge_method", "S256"}, {"login_hint", "anna"}} {
				tc.authorize.Set(fixed.name, fixed.value)
			}
			if d := cmp.Diff(tc.authorize, q); d != "" {
				t.Errorf("authorization request: %s", d)
			}
			if _, err := c.Refresh(t.Context(), "rt", tc.wish); err != nil {
				t.Fatal(err)
			}
			tc.refresh.Set("grant_type", "refresh_token")
			tc.refresh.Set("refresh_token", "rt")
			if d := cmp.Diff(tc.refresh, f.last(t, "/token").PostForm); d != "" {
				t.Errorf("refresh: %s", d)
			}
		})
	}
}

func TestAudiencesThatCannotBeAskedFor(t *testing.T) {
	f := newFake(t)
	for _, style := range []string{"", "scope"} {
		p := f.config()
		p.Audience = style
		c := f.client(t, p)
		w := grant.Wish{Audiences: []string{"https://a.example.org"}}
		if _, err := c.Begin(t.Context(), w, provider.Hint{}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: began, %v", style, err)
		}
		_, err := c.Refresh(t.Context(), "rt", w)
		if r := refusal(t, err, grant.Operator); !r.OfWish() || !r.Unsent {
			t.Errorf("%q: %+v", style, r)
		}
	}
	if n := f.count("/token"); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestHowWeProveWhoWeAre(t *testing.T) {
	for style, want := range map[string]struct {
		user, password string
		form           url.Values
	}{
		"basic": {"us%2B%3A", "p%25+%C3%A9", url.Values{}},
		"post":  {"", "", url.Values{"client_id": {"us+:"}, "client_secret": {"p% é"}}},
		"none":  {"", "", url.Values{"client_id": {"us+:"}}},
	} {
		f := newFake(t)
		f.says("/token", 200, `{"access_token":"at"}`)
		p := f.config()
		p.ClientAuth, p.ClientID, p.ClientSecret = style, "us+:", "p% é"
		if style == "none" {
			p.ClientSecret = ""
		}
		if _, err := f.client(t, p).Refresh(t.Context(), "rt", grant.Wish{}); err != nil {
			t.Fatal(err)
		}
		r := f.last(t, "/token")
		user, password, _ := r.BasicAuth()
		r.PostForm.Del("grant_type")
		r.PostForm.Del("refresh_token")
		if d := cmp.Diff(want.form, r.PostForm); d != "" || user != want.user || password != want.password || r.URL.RawQuery != "" {
			t.Errorf("%s: %q %q %s", style, user, password, d)
		}
	}
}

func TestTokenAnswers(t *testing.T) {
	f := newFake(t)
	c := f.client(t, func() grant.Provider { p := f.config(); p.RefreshIdle = 30 * time.Minute; return p }())
	at := func(s int) time.Time { return f.clock.Now().Add(time.Duration(s) * time.Second) }
	const jwt = "e30.eyJhdWQiOlsiYSIsImIiXSwiZXhwIjoxNzk1MjYyNDYwfQ.c2ln" // aud a and b, exp in a minute
	for body, want := range map[string]grant.Tokens{
		`{"access_token":"at","expires_in":60,"refresh_token":"new","scope":"a b","refresh_expires_in":1800}`: {
			Access: "at", Refresh: "new", AccessExpiresAt: at(60), RefreshExpiresAt: at(1800), Scopes: []string{"a", "b"}},
		`{"access_token":"at","expires_in":"60.9","refresh_token":"rt","refresh_token_expires_in":"7200"}`: {
			Access: "at", AccessExpiresAt: at(60), RefreshExpiresAt: at(7200), Scopes: []string{"wished"}},
		`{"access_token":"at","expires_in":-1,"refresh_expires_in":0}`: {
			Access: "at", AccessExpiresAt: at(300), RefreshExpiresAt: at(1800), Scopes: []string{"wished"}},
		`{"access_token":"at","expires_in":1e300,"scope":["a"],"refresh_token":"new"}`: {
			Access: "at", Refresh: "new", AccessExpiresAt: at(10 * 365 * 86400), RefreshExpiresAt: at(1800), Scopes: []string{"wished"}},
		`{"access_token":"` + jwt + `"}`: {
			Access: jwt, AccessExpiresAt: at(60), RefreshExpiresAt: at(1800), Scopes: []string{"wished"}, Audiences: []string{"a", "b"}},
	} {
		f.says("/token", 200, body)
		got, err := c.Refresh(t.Context(), "rt", grant.Wish{Scopes: []string{"wished"}})
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", body, err, d)
		}
	}
	for _, body := range []string{``, `{}`, `null`, `[]`, `"x"`, `{"access_token":""}`, `{"access_token":7}`, "{\"access_token\":\"a\\nb\"}", `{"access_token":"at","token_type":"DPoP"}`,
		`{"access_token":"at","refresh_token":"a b"}`, `{"access_token":"` + strings.Repeat("x", 1<<17) + `"}`, strings.Repeat(" ", 2<<20), strings.Repeat("[", 1<<20), "<html>"} {
		f.says("/token", 200, body)
		_, err := c.Refresh(t.Context(), "rt", grant.Wish{})
		if r := refusal(t, err, grant.Again); r.Unsent {
			t.Errorf("%.60q: %+v", body, r)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		status int
		body   string
		want   grant.Refusal
	}{
		{400, `{"error":"invalid_grant","error_description":"Token is not active"}`, grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "Token is not active"}},
		{401, `{"error":"invalid_grant"}`, grant.Refusal{Class: grant.Dead, Code: "invalid_grant"}},
		{400, `{"error":"interaction_required"}`, grant.Refusal{Class: grant.Dead, Code: "interaction_required"}},
		{400, `{"error":"invalid_request","error_description":"Refresh token is invalid or has already been claimed by another client."}`,
			grant.Refusal{Class: grant.Dead, Code: "invalid_request", Description: "Refresh token is invalid or has already been claimed by another client."}},
		{400, `{"error":"invalid_request","error_description":"No refresh token in request."}`, grant.Refusal{Class: grant.Operator, Code: "invalid_request", Description: "No refresh token in request."}},
		{401, `{"error":"invalid_client"}`, grant.Refusal{Class: grant.Operator, Code: "invalid_client"}},
		{400, `{"error":"unauthorized_client"}`, grant.Refusal{Class: grant.Operator, Code: "unauthorized_client"}},
		{401, ``, grant.Refusal{Class: grant.Operator}},
		{400, `{"error":"invalid_scope"}`, grant.Refusal{Class: grant.Operator, Code: "invalid_scope"}},
		{400, `{"error":"temporarily_unavailable"}`, grant.Refusal{Class: grant.Again, Code: "temporarily_unavailable"}},
		{403, `<html>blocked</html>`, grant.Refusal{Class: grant.Again}},
		{404, `not found`, grant.Refusal{Class: grant.Again}},
		{307, ``, grant.Refusal{Class: grant.Again}},
		{500, `{"error":"invalid_grant"}`, grant.Refusal{Class: grant.Again, Code: "invalid_grant"}},
		{502, `<html><h1>502 Bad Gateway</h1></html>`, grant.Refusal{Class: grant.Again}},
		{429, `Too Many Requests`, grant.Refusal{Class: grant.Again}},
		{400, `{"error":{"code":"invalid_grant"}}`, grant.Refusal{Class: grant.Again}},
		{400, `{"error":"invalid_grant","error_description":"unknown token token-of-anna of us:secret-of-us\u0000\u001b[31m` + strings.Repeat("x", 500) + `"}`,
			grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "unknown token [redacted] of us:[redacted][31m" + strings.Repeat("x", 155)}},
	} {
		f := newFake(t)
		f.replies["/token"] = reply{tc.status, tc.body, map[string]string{"Location": f.URL + "/elsewhere"}}
		_, err := f.client(t, f.config()).Refresh(t.Context(), "token-of-anna", grant.Wish{})
		got := refusal(t, err, tc.want.Class)
		tc.want.Status = tc.status
		if d := cmp.Diff(tc.want, *got); d != "" {
			t.Errorf("%d %.60s: %s", tc.status, tc.body, d)
		}
		if f.count("/token") != 1 || f.count("/elsewhere") != 0 {
			t.Errorf("%d: %d requests, %d followed", tc.status, f.count("/token"), f.count("/elsewhere"))
		}
	}
}

func TestRetryAfter(t *testing.T) {
	f := newFake(t)
	for value, want := range map[string]time.Duration{"": 0, "30": 30 * time.Second, "-3": 0, "soon": 0, "99999999": time.Hour,
		"Sat, 21 Nov 2026 12:02:00 GMT": 2 * time.Minute, "Sat, 21 Nov 2020 12:02:00 GMT": 0} {
		f.replies["/token"] = reply{503, "", map[string]string{"Retry-After": value}}
		_, err := f.client(t, f.config()).Refresh(t.Context(), "rt", grant.Wish{})
		if r := refusal(t, err, grant.Again); r.RetryAfter != want {
			t.Errorf("%q: %s, want %s", value, r.RetryAfter, want)
		}
	}
}

func TestReceipts(t *testing.T) {
	for name, tc := range map[string]struct {
		status    int
		body      string
		change    func(*fake, *grant.Provider)
		want      string // the receipt's beginning
		class     grant.Class
		unrevoked bool // nobody is asked
	}{
		"revoked":      {status: 200, want: "Fake revoked the refresh token; access tokens that were handed out work until they expire"},
		"both":         {status: 200, change: func(_ *fake, p *grant.Provider) { p.Revokes = "both" }, want: "Fake revoked the refresh token and its access tokens."},
		"Google":       {status: 400, body: `{"error":"invalid_token"}`, want: "Fake says that the refresh token was not in force any more;"},
		"no such kind": {status: 400, body: `{"error":"unsupported_token_type"}`, want: "Fake offers no revocation."},
		"gone":         {status: 404, want: "Fake offers no revocation."},
		"not offered":  {change: func(f *fake, _ *grant.Provider) { f.discovery(map[string]any{"revocation_endpoint": nil}) }, want: "Fake offers no revocation.", unrevoked: true},
		"not asked":    {change: func(_ *fake, p *grant.Provider) { p.Revokes = "none" }, want: "Fake offers no revocation.", unrevoked: true},
		"overloaded":   {status: 503, class: grant.Again},
		"not our own":  {status: 401, body: `{"error":"invalid_client"}`, class: grant.Operator},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.says("/revoke", tc.status, tc.body)
			p := f.config()
			if tc.change != nil {
				tc.change(f, &p)
			}
			got, err := f.client(t, p).Revoke(t.Context(), "rt")
			if tc.class != "" {
				refusal(t, err, tc.class)
				return
			}
			if !strings.HasPrefix(got, tc.want) || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if tc.unrevoked {
				if f.count("/revoke") != 0 {
					t.Error("the provider was asked")
				}
				return
			}
			if form := f.last(t, "/revoke").PostForm; form.Get("token") != "rt" || form.Get("token_type_hint") != "refresh_token" {
				t.Errorf("sent %v", form)
			}
		})
	}
}

func TestExchangeIsAskedAsTheProviderWants(t *testing.T) {
	const kind = "urn:ietf:params:oauth:token-type:access_token"
	f := newFake(t)
	f.says("/token", 200, `{"access_token":"at","issued_token_type":"urn:ietf:params:oauth:token-type:jwt","token_type":"Bearer","expires_in":60}`)
	for style, want := range map[string]string{"": "audience", "audience": "audience", "resource": "resource"} {
		p := f.config()
		p.Audience, p.Exchange = style, true
		got, err := f.client(t, p).Exchange(t.Context(), "subject", grant.Wish{Scopes: []string{"a", "b"}, Audiences: []string{"x"}})
		if err != nil || got.Access != "at" || !slices.Equal(got.Audiences, []string{"x"}) {
			t.Errorf("got %+v, %v", got, err)
		}
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"subject"}, "subject_token_type": {kind},
			"requested_token_type": {kind}, "scope": {"a b"}, want: {"x"}}
		if d := cmp.Diff(form, f.last(t, "/token").PostForm); d != "" {
			t.Errorf("%q: %s", style, d)
		}
	}
	_, err := f.client(t, f.config()).Exchange(t.Context(), "subject", grant.Wish{})
	if r := refusal(t, err, grant.Operator); !r.Unsent || f.count("/token") != 3 {
		t.Errorf("without exchange: %+v", r)
	}
}

// watched looks at requests on their way.
type watched struct{ see func(*http.Request) }

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	w.see(r)
	return http.DefaultTransport.RoundTrip(r)
}

// A provider that hangs costs ten seconds, and a transport that does not say what it sent is taken
// to have sent.
func TestRequestsHaveADeadline(t *testing.T) {
	f := newFake(t)
	f.says("/token", 200, `{"access_token":"at"}`)
	var left []time.Duration
	c, err := provider.New(f.config(), "", watched{func(r *http.Request) {
		at, ok := r.Context().Deadline()
		if !ok {
			t.Errorf("%s has no deadline", r.URL)
		}
		left = append(left, time.Until(at))
	}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), "rt", grant.Wish{}); err != nil || len(left) != 2 || slices.Max(left) > 10*time.Second {
		t.Errorf("%v left, %v", left, err)
	}
	silent, err := provider.New(f.config(), "", says{discovery: f.replies[wellKnown].body}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = silent.Refresh(t.Context(), "rt", grant.Wish{})
	if r := refusal(t, err, grant.Again); r.Unsent || r.Error() != "the provider did not answer" {
		t.Errorf("%+v", r)
	}
}
