package mytoken_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	mytokenlib "github.com/oidc-mytoken/lib"
)

// What follows is what mytoken's programs stumble over.

func TestEachStartOfAClientWorks(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodGet, "/.well-known/mytoken-configuration", "null\n") // as clients send it
	if a.status != 200 || a.field("issuer") != w.url || a.field("token_signing_alg_value") != "ES384" || a.field("token_endpoint") != a.field("access_token_endpoint") {
		t.Errorf("discovery: %s", a)
	}
	for name, v := range a.object {
		if text, ok := v.(string); ok && strings.HasSuffix(name, "_endpoint") && !strings.HasPrefix(text, w.url+"/api/v0/") {
			t.Errorf("%s is %s", name, text)
		}
	}
	if alias := w.send(http.MethodGet, "/.well-known/openid-configuration", ""); alias.text != a.text {
		t.Errorf("the alias: %s", alias)
	}
	s := w.send(http.MethodGet, strings.TrimPrefix(a.field("usersettings_endpoint"), w.url), "null\n")
	if s.status != 200 || s.field("grant_type_endpoint") != w.url+"/api/v0/settings/grants" {
		t.Errorf("settings: %s", s)
	}
	if _, err := mytokenlib.NewMytokenServer(w.url + "/"); err != nil {
		t.Errorf("with a slash: %v", err)
	}
}

// Clients divide by the interval and count to 15 with it. They end their waiting at any error but
// one, so polls are never told to slow down.
func TestPollsAreAnsweredHoweverManyThereAre(t *testing.T) {
	w := newWorld(t)
	f := w.start(`{}`)
	if interval, ok := f.object["interval"].(float64); !ok || interval < 1 || interval > 15 {
		t.Errorf("the interval is %v", f.object["interval"])
	}
	for range 200 {
		if a := w.poll(f.field("polling_code")); a.status != 428 || strings.TrimSpace(a.text) != `{"error":"authorization_pending"}` {
			t.Fatalf("a poll: %s", a)
		}
	}
}

// Who starts flow after flow is told when to come again, in the form that clients can read.
func TestFlowsOfOneAddressAreBounded(t *testing.T) {
	w := newWorld(t)
	for range 100 {
		w.start(`{}`)
	}
	a := w.post(my, object(map[string]any{"grant_type": "oidc_flow", "oidc_issuer": op.Issuer}))
	if a.refused() != "429 too_many_requests: too many requests from 127.0.0.1 wait for a person" || a.header.Get("Retry-After") != "300" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("one more: %s, %v", a, a.header)
	}
}

// The two codes have nothing in common, and neither can be guessed.
func TestCodesTellNothingOfEachOther(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 10 {
		f := w.start(`{}`)
		page := f.field("consent_uri")
		for _, code := range []string{f.field("polling_code"), page[strings.LastIndexByte(page, '/')+1:]} {
			if seen[code] || len(code) < 23 { // 50 letters: 5.6 bits each
				t.Errorf("the code %q", code)
			}
			seen[code] = true
		}
		if strings.Contains(page, f.field("polling_code")) {
			t.Error("the page's address has the polling code")
		}
	}
}

// Clients take a token for a JWT only if its last part is base64 without padding.
func TestTokensAreJWTsForClients(t *testing.T) {
	w := newWorld(t)
	root := w.root(`{"name":"laptop","capabilities":["AT","tokeninfo","create_mytoken"],"rotation":{"on_AT":true}}`)
	tokens := []string{root.field("mytoken"), w.derive(root.field("mytoken"), `{"name":"longer than the one before"}`).field("mytoken")}
	update, _ := w.at(root.field("mytoken")).object["token_update"].(map[string]any)
	next, _ := update["mytoken"].(string)
	for _, token := range append(tokens, next) {
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%q is no JWT", token)
		}
		if _, err := base64.URLEncoding.DecodeString(parts[2]); err != nil {
			t.Errorf("the signature: %v", err)
		}
		var header map[string]any
		text, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil || json.Unmarshal(text, &header) != nil || header["kid"] != nil || header["typ"] != "MT+JWT" {
			t.Errorf("the header is %s", text)
		}
	}
}

// Clients that find no JSON in an error say so instead of what was wrong.
func TestEveryErrorIsJSON(t *testing.T) {
	w := newWorld(t)
	big := `{"grant_type":"` + strings.Repeat("x", 64<<10) + `"}`
	for name, c := range map[string]struct {
		method, path, body, kind string
		want                     string
	}{
		"unknown path":         {"GET", "/api/v0/nope", "", "", "404 not_found: /mytoken/api/v0/nope"},
		"the root":             {"GET", "/", "", "", "404 not_found: /mytoken/"},
		"another method":       {"PUT", my, "{}", "", "404 not_found: /mytoken/api/v0/token/my"},
		"get of a post":        {"GET", access, "", "", "404 not_found: /mytoken/api/v0/token/access"},
		"no notifications":     {"POST", "/api/v0/notifications", "{}", "", "404 not_found: /mytoken/api/v0/notifications"},
		"no calendars":         {"GET", "/api/v0/notifications/calendars", "", "", "404 not_found: /mytoken/api/v0/notifications/calendars"},
		"no tags":              {"GET", "/api/v0/settings/tags", "", "", "404 not_found: /mytoken/api/v0/settings/tags"},
		"no keys for ssh":      {"GET", "/api/v0/settings/grants/ssh", "", "", "404 not_found: /mytoken/api/v0/settings/grants/ssh"},
		"no writing of them":   {"POST", "/api/v0/pt/kit/profiles", "{}", "", "404 not_found: /mytoken/api/v0/pt/kit/profiles"},
		"no such section":      {"GET", "/api/v0/pt/kit/nope", "", "", "404 not_found: /mytoken/api/v0/pt/kit/nope"},
		"no guests":            {"GET", "/api/v0/guests/.well-known/openid-configuration", "", "", "404 not_found: /mytoken/api/v0/guests/.well-known/openid-configuration"},
		"no web flow":          {"POST", my, `{"grant_type":"oidc_flow","oidc_flow":"authorization_code","client_type":"web","redirect_uri":"https://example.org/"}`, "", "400 invalid_request: the redirect_uri is not registered: use client_type=native"},
		"no geography":         {"POST", my, `{"grant_type":"oidc_flow","oidc_issuer":"` + op.Issuer + `","restrictions":[{"geoip_allow":["de"]}]}`, "", "400 invalid_request: the restriction 'geoip_allow' is not supported"},
		"too large":            {"POST", my, big, "", "413 invalid_request: the request is larger than 64 KiB"},
		"too deep":             {"POST", tokeninfo, strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "", "400 invalid_request: the request is nested too deeply"},
		"too many":             {"POST", my, `{"grant_type":"oidc_flow","restrictions":[{}` + strings.Repeat(",{}", 32) + `]}`, "", "400 invalid_request: at most 32 restrictions can be given"},
		"nothing":              {"POST", transfer, "", "", "400 invalid_request: unexpected end of JSON input"},
		"null":                 {"POST", transfer, "null", "", "401 invalid_token: no mytoken found in request"},
		"no type":              {"POST", access, "{}", "", "400 invalid_request: Unprocessable Entity"},
		"no type to revoke":    {"POST", revoke, "{}", "", "400 invalid_request: Unprocessable Entity"},
		"another type":         {"POST", access, "<x/>", "application/xml", "400 invalid_request: Unprocessable Entity"},
		"a form out of order":  {"POST", access, "a=%zz", "application/x-www-form-urlencoded", "400 invalid_request: the form cannot be read"},
		"a known grant":        {"POST", access, `{"grant_type":"transfer_code"}`, "application/json", "400 invalid_grant: Unsupported grant_type"},
		"too many scopes":      {"POST", access, `{"grant_type":"mytoken","scope":"` + strings.Repeat("a ", 101) + `"}`, "application/json", "400 invalid_request: at most 100 scopes and audiences can be asked for"},
		"settings of whom":     {"GET", "/api/v0/settings/grants", "null", "", "401 invalid_token: no mytoken found in request"},
		"a switch for nothing": {"POST", "/api/v0/settings/grants", `{"grant_type":"ssh"}`, "", "400 invalid_grant: Unsupported grant_type"},
	} {
		a := w.send(c.method, c.path, c.body, "Content-Type", c.kind)
		if a.refused() != c.want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %s (%s), want %s", name, a, a.header.Get("Content-Type"), c.want)
		}
	}
}

func TestTokensAreFoundWhereClientsPutThem(t *testing.T) {
	w := newWorld(t)
	token := w.root(`{}`).field("mytoken")
	for name, c := range map[string][]string{
		"body":       {`{"grant_type":"mytoken","mytoken":"` + token + `"}`, "Content-Type", "application/json; charset=utf-8"},
		"alias":      {`{"grant_type":"refresh_token","refresh_token":"` + token + `"}`, "Content-Type", "application/json"},
		"header":     {`{"grant_type":"mytoken","unknown":{"a":[1]}}`, "Content-Type", "application/json", "Authorization", "bearer " + token},
		"cookie":     {`{"grant_type":"mytoken"}`, "Content-Type", "application/json", "Cookie", "mytoken=" + token},
		"form":       {`grant_type=mytoken&scope=openid&mytoken=` + token, "Content-Type", "application/x-www-form-urlencoded"},
		"form alias": {`grant_type=refresh_token&client_id=x&refresh_token=` + token, "Content-Type", "application/x-www-form-urlencoded"},
	} {
		if a := w.send(http.MethodPost, access, c[0], c[1:]...); a.status != 200 || a.field("token_type") != "Bearer" {
			t.Errorf("%s: %s", name, a)
		}
	}
	if a := w.send(http.MethodPost, my+"?grant_type=mytoken", `{"mytoken":"`+token+`"}`); a.status != 403 {
		t.Errorf("the grant in the query: %s", a)
	}
	if a := w.send(http.MethodPost, tokeninfo, `{"action":"introspect"}`, "Content-Type", "text/plain", "Authorization", "Bearer "+token); a.status != 200 {
		t.Errorf("any content type: %s", a)
	}
	if a := w.send(http.MethodPost, revoke, "token="+token+"&recursive=true", "Content-Type", "application/x-www-form-urlencoded"); a.status != 204 {
		t.Errorf("revoked by a form: %s", a)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	a := w.root(`{"rotation":{"on_AT":true}}`)
	a = w.at(a.field("mytoken"))
	h := a.header
	if a.object["token_update"] == nil || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Set-Cookie") != "" ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != "application/json" {
		t.Errorf("an answer has %v", h)
	}
	h = w.send(http.MethodOptions, access, "", "Origin", "https://app.example.org", "Access-Control-Request-Method", "POST").header
	if !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") || h.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a preflight has %v", h)
	}
	if h := w.send(http.MethodPost, tokeninfo, `{"action":"introspect"}`).header; h.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("a refusal has %v", h)
	}
}

// HTCondor's producer of credentials compares these texts to tell its users what to do.
func TestWhatHTCondorReads(t *testing.T) {
	w := newWorld(t)
	started := w.start(`{"name":"htcondor","application_name":"htcondor","include":"kit/c4p-htcondor"}`)
	w.consent(started.field("consent_uri"))
	first := w.poll(started.field("polling_code"))
	token := first.field("mytoken")
	if seconds, ok := first.object["expires_in"].(float64); !ok || seconds > 7*86400 || seconds < 7*86400-60 {
		t.Fatalf("the mytoken: %s", first)
	}
	if a := w.at(token); a.status != 200 || a.field("access_token") == "" {
		t.Fatalf("the access token: %s", a)
	}
	claims, _ := w.info("introspect", token).object["token"].(map[string]any)
	if exp, ok := claims["exp"].(float64); !ok || exp < float64(w.now().Unix()) || claims["iat"] == nil {
		t.Errorf("it counts from iat to exp, but the token has %v", claims)
	}
	second := w.root(`{"include":"kit/c4p-htcondor"}`).field("mytoken")
	if a := w.post(revoke, object(map[string]any{"token": second, "recursive": true})); a.status != 204 || a.text != "" {
		t.Errorf("revoke: %s", a)
	}
	if a := w.info("introspect", second); strings.TrimSpace(a.text) != `{"error":"invalid_token"}` || a.status != 401 {
		t.Errorf("revoked: %s", a)
	}
	w.ahead.Add(int64(7*24*time.Hour + 2*time.Second))
	for _, a := range []answer{w.info("introspect", token), w.at(token)} {
		if !regexp.MustCompile(`^401 invalid_token: token is expired by \d+s$`).MatchString(a.refused()) {
			t.Errorf("expired: %s", a)
		}
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	w := newWorld(t)
	f := w.start(`{"capabilities":["AT","tokeninfo"],"response_type":"short_token"}`)
	page := f.field("consent_uri")
	w.consent(page)
	short := w.poll(f.field("polling_code")).field("mytoken")
	token := w.root(`{}`).field("mytoken")
	secrets := []string{f.field("polling_code"), page[strings.LastIndexByte(page, '/')+1:], short, token}
	for _, one := range []string{short, token} {
		secrets = append(secrets, w.at(one).field("access_token"), w.post(transfer, object(map[string]any{"mytoken": one})).field("transfer_code"))
	}
	w.send(http.MethodGet, "/api/v0/"+token, "")
	w.send(http.MethodPost, access, `{"grant_type":"`+token+`"}`, "Content-Type", "application/json", "Authorization", "Bearer "+token, "User-Agent", token)
	log := w.log.String()
	for _, secret := range secrets {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("%.12q… is empty or stands in the log", secret)
		}
	}
	if !strings.Contains(log, `msg="mytoken request" route="POST /api/v0/token/access" status=200`) || !strings.Contains(log, "route=none status=404") {
		t.Errorf("the log is\n%s", log)
	}
}

func TestCapabilitiesForPeopleWhoChoose(t *testing.T) {
	w := newWorld(t)
	var tree []struct {
		Write struct {
			Name        string
			Description string
		} `json:"read_write_capability"`
		Read     *struct{ Name string } `json:"read_only_capability"`
		Children []json.RawMessage
	}
	a := w.send(http.MethodGet, "/api/v0/capabilities", "null\n")
	if err := json.Unmarshal([]byte(a.text), &tree); err != nil || len(tree) != 5 || tree[0].Write.Name != "AT" || tree[1].Write.Description == "" ||
		len(tree[1].Children) != 3 || tree[4].Read == nil || tree[4].Read.Name != "read@settings" {
		t.Errorf("%s: %v", a, err)
	}
}
