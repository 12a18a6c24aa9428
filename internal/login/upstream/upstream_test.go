package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
)

const issuer = "https://op.example"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// liar is a provider that answers as a test wants. It is a RoundTripper: nothing is listened on.
type liar struct {
	t         *testing.T
	key       *ecdsa.PrivateKey
	doc       map[string]any
	claims    map[string]any // of the ID token
	userinfo  map[string]any
	sign      func(claims map[string]any) string
	token     http.HandlerFunc // nil: the usual answer
	info      http.HandlerFunc
	discovery http.HandlerFunc
	asked     map[string]int // requests by path
	now       time.Time
}

func newLiar(t *testing.T) *liar {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{t: t, key: key, asked: map[string]int{}, now: noon,
		doc: map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/auth", "token_endpoint": issuer + "/token",
			"jwks_uri": issuer + "/jwks", "userinfo_endpoint": issuer + "/me"},
		claims: map[string]any{"iss": issuer, "sub": "anna", "aud": "us", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
			"name": "Anna"},
		userinfo: map[string]any{"sub": "anna", "name": "Somebody else", "groups": []string{"climate"}}}
	l.sign = func(claims map[string]any) string { return l.signed(jose.ES256, l.key, claims) }
	return l
}

func (l *liar) signed(algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := signed.CompactSerialize()
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func (l *liar) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked[r.URL.Path]++
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	special := map[string]http.HandlerFunc{"/token": l.token, "/me": l.info, "/.well-known/openid-configuration": l.discovery}[r.URL.Path]
	usual := map[string]any{"/.well-known/openid-configuration": l.doc, "/me": l.userinfo,
		"/jwks":  jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &l.key.PublicKey, KeyID: "k", Algorithm: "ES256"}}},
		"/token": map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": l.sign(l.claims)}}[r.URL.Path]
	if special != nil {
		special(w, r)
	} else {
		json.NewEncoder(w).Encode(usual)
	}
	return w.Result(), nil
}

func (l *liar) client(change func(*upstream.Provider)) *upstream.Client {
	p := upstream.Provider{ID: "op", Title: "Provider", Issuer: issuer, ClientID: "us", ClientSecret: "s"}
	if change != nil {
		change(&p)
	}
	c, err := upstream.New(p, "https://lanyard.example/login/callback/op", l, func() time.Time { return l.now })
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// signIn goes all the way with the claims, to which the right nonce is added.
func (l *liar) signIn(c *upstream.Client) (upstream.Person, error) {
	to, attempt, err := c.Begin(l.t.Context(), "state")
	if err != nil {
		return upstream.Person{}, err
	}
	u, err := url.Parse(to)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, set := l.claims["nonce"]; !set {
		l.claims = maps.Clone(l.claims)
		l.claims["nonce"] = u.Query().Get("nonce")
	}
	return c.Finish(l.t.Context(), url.Values{"code": {"c"}, "state": {"state"}}, attempt)
}

func TestWhatTheClaimsSay(t *testing.T) {
	l := newLiar(t)
	l.claims["auth_time"] = noon.Add(-time.Hour).Unix()
	got, err := l.signIn(l.client(func(p *upstream.Provider) { p.Projects = []upstream.Rule{{Exact: "climate", Project: "climate"}} }))
	if err != nil {
		t.Fatal(err)
	}
	// Userinfo adds what the signed token lacks and changes nothing in it.
	want := upstream.Person{Subject: "anna", Name: "Anna", Roles: map[string]identity.Role{"climate": identity.User}, Groups: []string{"climate"}, At: noon.Add(-time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAuthorizationRequest(t *testing.T) {
	l := newLiar(t)
	to, attempt, err := l.client(func(p *upstream.Provider) { p.AuthParams = map[string]string{"acr_values": "mfa"} }).Begin(t.Context(), "the-state")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(attempt.Verifier))
	want := url.Values{"response_type": {"code"}, "client_id": {"us"}, "redirect_uri": {"https://lanyard.example/login/callback/op"},
		"scope": {"openid profile email"}, "state": {"the-state"}, "nonce": {attempt.Nonce}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "acr_values": {"mfa"}}
	if diff := cmp.Diff(want, u.Query()); diff != "" || !strings.HasPrefix(to, issuer+"/auth?") {
		t.Errorf("%s: %s", to, diff)
	}
}

// Tokens that prove nothing: each differs in one thing from one that does.
func TestTokensThatProveNothing(t *testing.T) {
	set := func(name string, value any) func(*liar) {
		return func(l *liar) { l.claims[name] = value }
	}
	for name, lie := range map[string]func(*liar){
		"other issuer":               set("iss", "https://op.example/"),
		"other audience":             set("aud", "them"),
		"two audiences without azp":  set("aud", []string{"us", "them"}),
		"azp of another":             func(l *liar) { l.claims["aud"], l.claims["azp"] = []string{"us", "them"}, "them" },
		"azp of another, one aud":    set("azp", "them"),
		"azp that is no text":        set("azp", []string{"us"}),
		"expired":                    set("exp", noon.Add(-time.Second).Unix()),
		"issued long ago":            set("iat", noon.Add(-11*time.Minute).Unix()),
		"issued in the future":       set("iat", noon.Add(2*time.Minute).Unix()),
		"nonce of another":           set("nonce", "another"),
		"no nonce":                   set("nonce", nil),
		"at_hash of another token":   set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"userinfo of another":        func(l *liar) { l.userinfo["sub"] = "ben" },
		"userinfo in other case":     func(l *liar) { l.userinfo["sub"] = "Anna" },
		"empty subject":              func(l *liar) { l.claims["sub"], l.userinfo["sub"] = "", "" },
		"subject with control chars": func(l *liar) { l.claims["sub"], l.userinfo["sub"] = "a\nb", "a\nb" },
		"endless subject": func(l *liar) {
			l.claims["sub"] = strings.Repeat("a", 256)
			l.userinfo["sub"] = l.claims["sub"]
		},
		"no ID token":          func(l *liar) { l.sign = func(map[string]any) string { return "" } },
		"not a token":          func(l *liar) { l.sign = func(map[string]any) string { return "a.b.c" } },
		"algorithm none":       func(l *liar) { l.sign = unsigned },
		"signed by a stranger": func(l *liar) { stranger := newLiar(l.t); l.sign = stranger.sign },
		"HS256 with the client secret": func(l *liar) {
			l.sign = func(c map[string]any) string { return l.signed(jose.HS256, []byte(strings.Repeat("s", 32)), c) }
		},
		"HS256 with the public key": func(l *liar) {
			public, err := json.Marshal(jose.JSONWebKey{Key: &l.key.PublicKey})
			if err != nil {
				l.t.Fatal(err)
			}
			l.sign = func(c map[string]any) string { return l.signed(jose.HS256, public, c) }
		},
		"ES256 with a key in its header": func(l *liar) {
			stranger := newLiar(l.t)
			l.sign = func(c map[string]any) string {
				s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: stranger.key}, &jose.SignerOptions{EmbedJWK: true})
				if err != nil {
					l.t.Fatal(err)
				}
				text, _ := json.Marshal(c)
				signed, err := s.Sign(text)
				if err != nil {
					l.t.Fatal(err)
				}
				out, _ := signed.CompactSerialize()
				return out
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			lie(l)
			p, err := l.signIn(l.client(nil))
			if fault.CodeOf(err) != fault.Denied {
				t.Errorf("got %+v and error %v, want it refused", p, err)
			}
		})
	}
}

func unsigned(claims map[string]any) string {
	text, _ := json.Marshal(claims)
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"none"}`)) + "." + b64(text) + "."
}

func TestTokensThatAreFine(t *testing.T) {
	for name, c := range map[string]struct {
		lie    func(*liar)
		change func(*upstream.Provider)
	}{
		"two audiences and our azp": {func(l *liar) { l.claims["aud"], l.claims["azp"] = []string{"us", "them"}, "us" }, nil},
		"at_hash": {func(l *liar) {
			sum := sha256.Sum256([]byte("at"))
			l.claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
		}, nil},
		"no userinfo endpoint":      {func(l *liar) { delete(l.doc, "userinfo_endpoint") }, nil},
		"subject in another case":   {func(l *liar) { l.userinfo["sub"] = "ANNA" }, func(p *upstream.Provider) { p.IgnoreSubjectCase = true }},
		"auth_time in the future":   {func(l *liar) { l.claims["auth_time"] = noon.Add(time.Hour).Unix() }, nil},
		"auth_time that is no time": {func(l *liar) { l.claims["auth_time"] = "yesterday" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			c.lie(l)
			p, err := l.signIn(l.client(c.change))
			if err != nil || p.Subject != "anna" || !p.At.Equal(noon) {
				t.Errorf("got %+v, error %v", p, err)
			}
		})
	}
}

// A provider that fails says nothing of anybody, and is not asked twice for one code.
func TestProvidersThatFail(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(code)
			w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		lie  func(*liar)
		code fault.Code
		down bool
	}{
		"token endpoint breaks":    {func(l *liar) { l.token = status(500, "") }, fault.Unavailable, true},
		"token endpoint is a page": {func(l *liar) { l.token = status(502, "<html>") }, fault.Unavailable, true},
		"token endpoint redirects": {func(l *liar) { l.token = status(302, "") }, fault.Unavailable, true},
		"code refused":             {func(l *liar) { l.token = status(400, `{"error":"invalid_grant"}`) }, fault.Denied, false},
		"userinfo breaks":          {func(l *liar) { l.info = status(503, "") }, fault.Unavailable, false},
		"userinfo redirects":       {func(l *liar) { l.info = status(302, "") }, fault.Unavailable, false},
		"userinfo is endless":      {func(l *liar) { l.info = status(200, `{"sub":"anna","x":"`+strings.Repeat("x", 2<<20)+`"}`) }, fault.Unavailable, false},
		"discovery breaks":         {func(l *liar) { l.discovery = status(500, "") }, fault.Unavailable, true},
		"discovery redirects":      {func(l *liar) { l.discovery = status(302, "") }, fault.Unavailable, true},
		"discovery of another":     {func(l *liar) { l.doc["issuer"] = "https://evil.example" }, fault.Unavailable, true},
		"endpoint without TLS":     {func(l *liar) { l.doc["token_endpoint"] = "http://op.example/token" }, fault.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			c.lie(l)
			k := l.client(nil)
			_, err := l.signIn(k)
			if fault.CodeOf(err) != c.code || k.DownSince().IsZero() == c.down {
				t.Errorf("error %v (%s), down since %s", err, fault.CodeOf(err), k.DownSince())
			}
			if l.asked["/token"] > 1 {
				t.Errorf("the code was sent %d times", l.asked["/token"])
			}
		})
	}
}

func TestRecovery(t *testing.T) {
	l := newLiar(t)
	c := l.client(nil)
	l.discovery = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	try := func(want fault.Code, asked int) {
		t.Helper()
		_, _, err := c.Begin(t.Context(), "state")
		if fault.CodeOf(err) != want || l.asked["/.well-known/openid-configuration"] != asked {
			t.Errorf("error %v after %d requests, want %q after %d", err, l.asked["/.well-known/openid-configuration"], want, asked)
		}
	}
	try(fault.Unavailable, 1)
	try(fault.Unavailable, 1) // not asked again at once
	l.now = l.now.Add(5 * time.Second)
	try(fault.Unavailable, 2)
	if got := c.DownSince(); !got.Equal(noon) {
		t.Errorf("down since %s, want %s", got, noon)
	}
	l.discovery, l.now = nil, l.now.Add(5*time.Second)
	try("", 3)
	if got := c.DownSince(); !got.IsZero() {
		t.Errorf("down since %s after an answer", got)
	}
	try("", 3)
	// What is known is used on when a later refresh fails.
	l.discovery, l.now = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, l.now.Add(6*time.Hour)
	try("", 4)
	if c.DownSince().IsZero() {
		t.Error("not known to be down")
	}
}

func TestKeysAreNotFetchedForEveryBadSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLiar(t)
		c := l.client(nil)
		try := func() error {
			delete(l.claims, "nonce")
			_, err := l.signIn(c)
			synctest.Wait() // go-oidc puts fetched keys away after it has used them
			return err
		}
		good := l.sign
		l.sign = newLiar(t).sign
		for range 5 {
			if err := try(); fault.CodeOf(err) != fault.Denied {
				t.Fatalf("error %v", err)
			}
		}
		if n := l.asked["/jwks"]; n != 1 {
			t.Errorf("keys fetched %d times within a minute", n)
		}
		// New keys are found once the minute is over.
		l.key, l.sign, l.now = newLiar(t).key, good, l.now.Add(time.Minute)
		if err := try(); err != nil || l.asked["/jwks"] != 2 {
			t.Errorf("error %v after %d fetches", err, l.asked["/jwks"])
		}
	})
}

func TestRules(t *testing.T) {
	rules := []upstream.Rule{
		{Exact: "urn:mace:csc.fi:pi", Project: "climate", Role: identity.Manager},
		{Match: `urn:geant:hh:group:(project_)?([0-9]+)(:role=(member))?#aai`, Project: "$2"},
		{Match: `urn:geant:hh:group:([0-9]+):role=pi#aai`, Project: "${1}", Role: identity.Manager},
		{Prefix: "cn=", Claim: "isMemberOf"},
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   map[string]identity.Role
	}{
		"nothing":                  {nil, map[string]identity.Role{}},
		"exact":                    {map[string]any{"groups": []any{"urn:mace:csc.fi:pi"}}, map[string]identity.Role{"climate": identity.Manager}},
		"exact is exact":           {map[string]any{"groups": []any{"urn:mace:csc.fi:pi2", "URN:MACE:CSC.FI:PI"}}, map[string]identity.Role{}},
		"one value as text":        {map[string]any{"groups": "urn:mace:csc.fi:pi"}, map[string]identity.Role{"climate": identity.Manager}},
		"whole value must match":   {map[string]any{"groups": "xurn:geant:hh:group:46#aai"}, map[string]identity.Role{}},
		"authority must match":     {map[string]any{"groups": "urn:geant:hh:group:46#evil"}, map[string]identity.Role{}},
		"the strongest role wins":  {map[string]any{"groups": []any{"urn:geant:hh:group:46:role=pi#aai", "urn:geant:hh:group:46#aai"}}, map[string]identity.Role{"46": identity.Manager}},
		"prefix":                   {map[string]any{"isMemberOf": []any{"cn=sea-ice#idp", "cn=ocean"}}, map[string]identity.Role{"sea-ice": identity.User, "ocean": identity.User}},
		"names that are no names":  {map[string]any{"isMemberOf": []any{"cn=../etc", "cn=", "cn=Upper", "cn=a_b"}}, map[string]identity.Role{}},
		"things that are no texts": {map[string]any{"groups": []any{1, nil, map[string]any{}}, "isMemberOf": 3}, map[string]identity.Role{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			l.userinfo = map[string]any{"sub": "anna"}
			maps.Copy(l.claims, c.claims)
			got, err := l.signIn(l.client(func(p *upstream.Provider) { p.Projects = rules }))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Roles); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	for text, change := range map[string]func(*upstream.Provider){
		"an id is lower-case":                  func(p *upstream.Provider) { p.ID = "../x" },
		"must begin with https://":             func(p *upstream.Provider) { p.Issuer = "http://op.example" },
		"not an address":                       func(p *upstream.Provider) { p.Issuer = "https://op.example/?x" },
		"client_id is missing":                 func(p *upstream.Provider) { p.ClientID = "" },
		"auth_params cannot set \"state\"":     func(p *upstream.Provider) { p.AuthParams = map[string]string{"state": "x"} },
		"client_auth is \"jwt\"":               func(p *upstream.Provider) { p.ClientAuth = "jwt" },
		"scopes lack openid":                   func(p *upstream.Provider) { p.Scopes = []string{"email"} },
		"algorithm \"HS256\"":                  func(p *upstream.Provider) { p.Algorithms = []string{"HS256"} },
		"algorithm \"none\"":                   func(p *upstream.Provider) { p.Algorithms = []string{"none"} },
		"rule 1 for projects: give one of":     func(p *upstream.Provider) { p.Projects = []upstream.Rule{{Exact: "a", Prefix: "b", Project: "c"}} },
		"rule 1 for projects: exact and match": func(p *upstream.Provider) { p.Projects = []upstream.Rule{{Exact: "a"}} },
		"rule 1 for projects: \"A\" is not":    func(p *upstream.Provider) { p.Projects = []upstream.Rule{{Exact: "a", Project: "A"}} },
		"rule 1 for projects: error parsing":   func(p *upstream.Provider) { p.Projects = []upstream.Rule{{Match: "(", Project: "a"}} },
		"rule 2 for projects: role \"emperor\"": func(p *upstream.Provider) {
			p.Projects = []upstream.Rule{{Prefix: "a"}, {Prefix: "b", Role: "emperor"}}
		},
	} {
		p := upstream.Provider{ID: "op", Issuer: issuer, ClientID: "us", ClientSecret: "s"}
		change(&p)
		_, err := upstream.New(p, "https://lanyard.example/", nil, time.Now)
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
}

// FuzzIDToken: what did not come from the provider's key is refused, whatever it looks like.
func FuzzIDToken(f *testing.F) {
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLy4uL2V0Yy9wYXNzd2QifQ.eyJpc3MiOiJodHRwczovL29wLmV4YW1wbGUiLCJzdWIiOiJhbm5hIiwiYXVkIjoidXMifQ.AA")
	f.Add(`{"payload":"e30","signatures":[{"protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AA"},{}]}`)
	f.Fuzz(func(t *testing.T, token string) {
		l := newLiar(t)
		l.sign = func(map[string]any) string { return token }
		if p, err := l.signIn(l.client(nil)); fault.CodeOf(err) != fault.Denied {
			t.Errorf("got %+v and error %v", p, err)
		}
	})
}
