package issuer_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// What is wrong with who asks, or with the address to return to, is told on a page: nobody is sent
// to an address that is not registered, with or without a code.
func TestAuthorizeTellsOnAPage(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for name, query := range map[string]string{
		"unknown client":                       with(request(), "client_id", "evil").Encode(),
		"no client":                            with(request(), "client_id", "").Encode(),
		"no redirect URI":                      with(request(), "redirect_uri", "").Encode(),
		"another host":                         with(request(), "redirect_uri", "https://evil.example/callback").Encode(),
		"another path":                         with(request(), "redirect_uri", "http://127.0.0.1:4242/other").Encode(),
		"a query more":                         with(request(), "redirect_uri", loopback+"?x=1").Encode(),
		"an empty query more":                  with(request(), "redirect_uri", loopback+"?").Encode(),
		"a fragment more":                      with(request(), "redirect_uri", loopback+"#x").Encode(),
		"TLS on loopback":                      with(request(), "redirect_uri", "https://127.0.0.1/callback").Encode(),
		"a user name before it":                with(request(), "redirect_uri", "http://127.0.0.1:x@evil.example/callback").Encode(),
		"a user name of loopback":              with(request(), "redirect_uri", "http://evil@127.0.0.1/callback").Encode(),
		"a host that begins so":                with(request(), "redirect_uri", "http://127.0.0.1.evil.example/callback").Encode(),
		"escaped twice":                        with(request(), "redirect_uri", "http%3A%2F%2F127.0.0.1%2Fcallback").Encode(),
		"an escaped path":                      with(request(), "redirect_uri", "http://127.0.0.1/%63allback").Encode(),
		"script":                               with(request(), "redirect_uri", "javascript:alert(1)//127.0.0.1/callback").Encode(),
		"a scheme of its own":                  with(request(), "redirect_uri", "edu.kit.data.oidc-agent:/redirect").Encode(),
		"a confidential client's, not exactly": with(request(), "client_id", "hub", "redirect_uri", hubURI+"/").Encode(),
		"a confidential client on loopback":    with(request(), "client_id", "hub").Encode(),
		"redirect URI twice":                   request().Encode() + "&redirect_uri=https%3A%2F%2Fevil.example",
		"client twice":                         request().Encode() + "&client_id=hub",
		"state twice":                          request().Encode() + "&state=x",
		"broken escapes":                       request().Encode() + "&x=%zz",
		"text where a number is due":           with(request(), "max_age", "soon").Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get("/authorize?" + query)
			if a.status != http.StatusBadRequest || a.header.Get("Location") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("%d to %q: %s", a.status, a.header.Get("Location"), a.body)
			}
			if !strings.Contains(a.body, "This sign-in request cannot be used") || strings.Contains(a.body, "evil.example") {
				t.Errorf("the page says %s", a.body)
			}
		})
	}
}

// Everything else that is wrong is told to the client, with its state and our name.
func TestAuthorizeTellsTheClient(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"no PKCE":                  {[]string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"PKCE downgrade to plain":  {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"PKCE without a method":    {[]string{"code_challenge_method", ""}, "invalid_request"},
		"a challenge too short":    {[]string{"code_challenge", "x"}, "invalid_request"},
		"implicit flow":            {[]string{"response_type", "token"}, "unsupported_response_type"},
		"hybrid flow":              {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"no response type":         {[]string{"response_type", ""}, "invalid_request"},
		"answer in a fragment":     {[]string{"response_mode", "fragment"}, "invalid_request"},
		"answer by a form":         {[]string{"response_mode", "form_post"}, "invalid_request"},
		"unknown scope":            {[]string{"scope", "openid admin"}, "invalid_scope"},
		"request object":           {[]string{"request", "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"},
		"request object elsewhere": {[]string{"request_uri", "https://evil.example/r"}, "request_uri_not_supported"},
		"prompts that contradict":  {[]string{"prompt", "none login"}, "invalid_request"},
		"an endless nonce":         {[]string{"nonce", strings.Repeat("n", 600)}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get("/authorize?" + with(request(), c.pairs...).Encode())
			to, err := url.Parse(a.header.Get("Location"))
			if err != nil || a.status != http.StatusFound || !strings.HasPrefix(to.String(), loopback+"?") {
				t.Fatalf("%d to %q: %s", a.status, a.header.Get("Location"), a.body)
			}
			if q := to.Query(); q.Get("error") != c.want || q.Get("state") != "the-state" || q.Get("iss") != self || q.Get("code") != "" {
				t.Errorf("sent back with %s, want %s", to.RawQuery, c.want)
			}
		})
	}
}

func TestWhoIsSignedIn(t *testing.T) {
	w := newWorld(t)
	location := func(pairs ...string) *url.URL {
		t.Helper()
		a := w.get("/authorize?" + with(request(), pairs...).Encode())
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil || a.status != http.StatusFound {
			t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
		}
		return to
	}
	if q := location("prompt", "none").Query(); q.Get("error") != "login_required" || q.Get("state") != "the-state" {
		t.Errorf("nobody, prompt=none: %v", q)
	}
	if to := location(); to.Path != "/login" {
		t.Errorf("nobody: %s", to)
	}
	w.signIn()
	if q := location("prompt", "none").Query(); q.Get("code") == "" {
		t.Errorf("somebody, prompt=none: %v", q)
	}
	w.clock.Move(600e9)
	if q := location("max_age", "601").Query(); q.Get("code") == "" {
		t.Errorf("young enough: %v", q)
	}
	for _, pairs := range [][]string{{"max_age", "599"}, {"prompt", "login"}, {"prompt", "select_account"}} {
		to := location(pairs...)
		next, err := url.Parse(to.Query().Get("next"))
		if err != nil || to.Path != "/login" || to.Query().Get("again") == "" || next.Path != "/authorize" || next.Query().Has(pairs[0]) || next.Query().Get("state") != "the-state" {
			t.Errorf("%v: sent to %s", pairs, to)
		}
	}
	if q := location("max_age", "599", "prompt", "none").Query(); q.Get("error") != "login_required" {
		t.Errorf("too old, prompt=none: %v", q)
	}
	a, err := w.store.Account(t.Context(), w.by.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	a.FrozenAt, a.FreezeReason = w.clock.Now(), "test"
	if err := w.store.SaveAccount(t.Context(), a, audit.Change{Record: audit.By(identity.System(), w.clock.Now(), "account.freeze", a.ID, "")}); err != nil {
		t.Fatal(err)
	}
	if q := location().Query(); q.Get("error") != "access_denied" || q.Get("code") != "" {
		t.Errorf("stopped: %v", q)
	}
}

// Session swap at the client: state comes back untouched, and a code fits only the verifier of the
// request that it was made for, so a code put into another's answer is worth nothing.
func TestCodesAreBound(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	for name, c := range map[string]struct {
		change []string
		who    func(*http.Request)
		status int
		want   string
	}{
		"verifier of another request": {[]string{"code_verifier", strings.Repeat("w", 43)}, nil, 400, "invalid_grant"},
		"no verifier":                 {[]string{"code_verifier", ""}, nil, 400, "invalid_grant"},
		"another redirect URI":        {[]string{"redirect_uri", "http://127.0.0.1:4243/callback"}, nil, 400, "invalid_grant"},
		"no redirect URI":             {[]string{"redirect_uri", ""}, nil, 400, "invalid_request"},
		"another public client":       {[]string{"client_id", "app"}, nil, 400, "invalid_grant"},
		"another confidential client": {[]string{"client_id", ""}, basic("hub", hubKey), 400, "invalid_grant"},
		"unknown client":              {[]string{"client_id", "evil"}, nil, 401, "invalid_client"},
		"no client":                   {[]string{"client_id", ""}, nil, 400, "invalid_request"},
		"a secret that is none":       {[]string{"client_secret", "x"}, nil, 401, "invalid_client"},
		"a made-up code":              {[]string{"code", "x"}, nil, 400, "invalid_grant"},
		"no code":                     {[]string{"code", ""}, nil, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post("/token", redeem(w.code(), c.change...), c.who)
			if a.status != c.status || a.json["error"] != c.want || a.json["access_token"] != nil {
				t.Errorf("%d %s, want %d %s", a.status, a.body, c.status, c.want)
			}
		})
	}
	t.Run("replay", func(t *testing.T) {
		code := w.code()
		first := w.post("/token", redeem(code), nil)
		second := w.post("/token", redeem(code), nil)
		if first.status != 200 || second.status != 400 || second.json["error"] != "invalid_grant" || w.works(first.json["access_token"]) {
			t.Errorf("first %d, second %d %s, first token works: %v", first.status, second.status, second.body, w.works(first.json["access_token"]))
		}
	})
	t.Run("a minute late", func(t *testing.T) {
		code := w.code()
		w.clock.Move(60e9)
		if a := w.post("/token", redeem(code), nil); a.json["error"] != "invalid_grant" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// The form of requests: what the library would let pass.
func TestGuard(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	method := func(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	kind := func(k string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Content-Type", k) } }
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			next, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL.String(), strings.NewReader(s))
			if err != nil {
				t.Fatal(err)
			}
			r.Body, r.ContentLength, r.GetBody = next.Body, next.ContentLength, next.GetBody
		}
	}
	for name, c := range map[string]struct {
		path   string
		form   url.Values
		change func(*http.Request)
		status int
		want   string
	}{
		"token by GET":                     {"/token", nil, method("GET"), 405, "invalid_request"},
		"token by PUT":                     {"/token", nil, method("PUT"), 405, "invalid_request"},
		"revoke by GET":                    {"/revoke", nil, method("GET"), 405, "invalid_request"},
		"introspect by GET":                {"/introspect", nil, method("GET"), 405, "invalid_request"},
		"device by GET":                    {"/device_authorization", nil, method("GET"), 405, "invalid_request"},
		"userinfo by DELETE":               {"/userinfo", nil, method("DELETE"), 405, "invalid_request"},
		"keys by POST":                     {"/jwks", nil, nil, 405, "invalid_request"},
		"parameters in the address":        {"/token", redeem("x"), query("code=y"), 400, "invalid_request"},
		"a token in the address":           {"/userinfo", nil, query("access_token=x"), 400, "invalid_request"},
		"JSON":                             {"/token", redeem("x"), kind("application/json"), 400, "invalid_request"},
		"no type":                          {"/token", redeem("x"), kind(""), 400, "invalid_request"},
		"a parameter twice":                {"/token", nil, body(redeem("x").Encode() + "&code=y"), 400, "invalid_request"},
		"client twice":                     {"/token", nil, body(redeem("x").Encode() + "&client_id=hub"), 400, "invalid_request"},
		"broken escapes":                   {"/token", nil, body("grant_type=%zz"), 400, "invalid_request"},
		"an endless body":                  {"/token", nil, body("x=" + strings.Repeat("x", 1<<17)), 400, "invalid_request"},
		"nothing":                          {"/token", nil, nil, 400, "invalid_request"},
		"password grant":                   {"/token", url.Values{"grant_type": {"password"}, "client_id": {"lanyard-cli"}}, nil, 400, "unsupported_grant_type"},
		"client credentials":               {"/token", url.Values{"grant_type": {"client_credentials"}}, basic("hub", hubKey), 400, "unauthorized_client"},
		"token exchange":                   {"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"x"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}, basic("hub", hubKey), 400, "invalid_request"},
		"JWT bearer":                       {"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x"}}, nil, 400, "unsupported_grant_type"},
		"device grant of another":          {"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {"x"}}, basic("hub", hubKey), 400, "unauthorized_client"},
		"device request of another":        {"/device_authorization", nil, basic("hub", hubKey), 400, "unauthorized_client"},
		"device request for unknown scope": {"/device_authorization", url.Values{"client_id": {"lanyard-cli"}, "scope": {"root"}}, nil, 400, "invalid_scope"},
		"wrong secret":                     {"/token", redeem("x", "client_id", ""), basic("hub", "wrong"), 401, "invalid_client"},
		"no secret":                        {"/token", redeem("x", "client_id", "hub"), nil, 401, "invalid_client"},
		"two ways to authenticate":         {"/token", redeem("x", "client_id", "hub", "client_secret", hubKey), basic("hub", hubKey), 400, "invalid_request"},
		"client assertion":                 {"/token", redeem("x", "client_id", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "e30.e30."), nil, 401, "invalid_client"},
		"introspection by nobody":          {"/introspect", url.Values{"token": {"x"}}, nil, 401, "invalid_client"},
		"introspection by a public client": {"/introspect", url.Values{"token": {"x"}}, basic("lanyard-cli", ""), 401, "invalid_client"},
		"introspection, wrong secret":      {"/introspect", url.Values{"token": {"x"}}, basic("hub", "wrong"), 401, "invalid_client"},
		"revocation by a stranger":         {"/revoke", url.Values{"token": {"x"}, "client_id": {"evil"}}, nil, 401, "invalid_client"},
		"userinfo without a token":         {"/userinfo", nil, nil, 401, "invalid_request"},
		"userinfo with a wrong token":      {"/userinfo", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_token"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post(c.path, c.form, c.change)
			if a.status != c.status || a.json["error"] != c.want {
				t.Errorf("%d %s, want %d %s", a.status, a.body, c.status, c.want)
			}
			if got := a.header.Get("Cache-Control"); got != "no-store" && c.path != "/jwks" {
				t.Errorf("Cache-Control %q", got)
			}
			challenge := a.header.Get("WWW-Authenticate")
			switch want := map[bool]string{true: "Bearer ", false: "Basic "}[c.path == "/userinfo"]; {
			case c.status == 401 && !strings.HasPrefix(challenge, want):
				t.Errorf("WWW-Authenticate %q", challenge)
			case c.status != 401 && challenge != "":
				t.Errorf("WWW-Authenticate %q", challenge)
			case c.status == 405 && a.header.Get("Allow") == "":
				t.Error("no Allow")
			}
			if a.header.Get("Access-Control-Allow-Origin") != "" && c.path != "/jwks" {
				t.Error("open to web pages of others")
			}
		})
	}
}

func TestUserinfoNeedsItsScope(t *testing.T) {
	w := newWorld(t)
	w.signIn()
	bearer := func(token any) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.(string)) }
	}
	a := w.post("/userinfo", nil, bearer(w.tokens("scope", "s3:read")["access_token"]))
	if a.status != http.StatusForbidden || a.json["error"] != "insufficient_scope" || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("%d %s, %s", a.status, a.body, a.header.Get("WWW-Authenticate"))
	}
	a = w.post("/userinfo", nil, bearer(w.tokens("scope", "openid s3:read")["access_token"]))
	if a.status != http.StatusOK || len(a.json) != 1 || a.json["sub"] != w.by.AccountID {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// FuzzToken: whatever form a stranger sends, the answer is an OAuth error and never a token.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "grant_type=authorization_code&client_id=lanyard-cli&code=x&redirect_uri=x&code_verifier=x",
		"grant_type=refresh_token&client_id=lanyard-cli&refresh_token=lyt_AAAA", "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=lanyard-cli&device_code=%00",
		"client_id=hub&client_secret=%ff&grant_type=client_credentials", "grant_type=authorization_code&grant_type=x", "a=b;c=d&%", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x",
		"client_id=lanyard-cli&grant_type=refresh_token&refresh_token=x&scope=a+b&client_assertion=e30.e30.&client_assertion_type=x"} {
		f.Add("/token", s)
	}
	f.Add("/token", exchange("eyJhbGciOiJub25lIn0.e30.", "audience", store1+" helmholtz", "scope", "storage.read:/climate").Encode())
	f.Add("/token", exchange("lyt_", "resource", "https://%zz", "actor_token", "a.b.c", "actor_token_type", accessType).Encode()+"&client_id=lanyard-cli")
	f.Add("/token", "client_id=lanyard-cli&grant_type=refresh_token&refresh_token=x&audience=a&audience=b&resource=%20%20&scope=storage.read:/../")
	f.Add("/authorize", with(request(), "scope", "openid storage.read:/a%2f..", "resource", store1).Encode())
	f.Add("/revoke", "client_id=lanyard-cli&token=..")
	f.Add("/introspect", "client_id=hub&client_secret="+hubKey+"&token=e30.e30.e30")
	f.Add("/authorize", request().Encode())
	f.Add("/device_authorization", "client_id=lanyard-cli&host=%1b[31m&scope=openid")
	f.Add("/revoke", "client_id=lanyard-cli&token=x")
	f.Add("/introspect", "client_id=hub&client_secret=x&token=x")
	f.Add("/userinfo", "access_token=x")
	shared := newWorld(f)
	f.Fuzz(func(t *testing.T, path, body string) {
		switch path {
		case "/token", "/authorize", "/device_authorization", "/revoke", "/introspect", "/userinfo":
		default:
			t.Skip("not ours")
		}
		w := *shared
		w.t = t
		a := w.post(path, nil, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		})
		if a.status >= 500 || a.json["access_token"] != nil || a.json["active"] == true || strings.Contains(a.header.Get("Location"), "code=") && path == "/authorize" && a.header.Get("Location")[0] != '/' {
			t.Errorf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
	})
}
