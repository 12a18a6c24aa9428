package issuer_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
)

func exchange(token any, pairs ...string) url.Values {
	text, _ := token.(string)
	return with(url.Values{"grant_type": {exchangeGrant}, "subject_token": {text}, "subject_token_type": {accessType}}, pairs...)
}

// swap exchanges as the command line, or as a client with a secret.
func (w *world) swap(client string, form url.Values) answer {
	w.t.Helper()
	switch client {
	case "hub":
		return w.post("/token", form, basic("hub", hubKey))
	case "fts":
		return w.post("/token", form, basic("fts", ftsKey))
	}
	return w.post("/token", form, basic(client, ""))
}

// hubToken signs Anna in at the hub and returns the hub's access token.
func (w *world) hubToken(scope string) string {
	w.t.Helper()
	pairs := []string{"client_id", "hub", "redirect_uri", hubURI, "scope", scope}
	a := w.post("/token", redeem(w.code(pairs...), "client_id", "", "redirect_uri", hubURI), basic("hub", hubKey))
	token, _ := a.json["access_token"].(string)
	if token == "" {
		w.t.Fatalf("no token for the hub: %d %s", a.status, a.body)
	}
	return token
}

// A token of one's own is exchanged for less, or for somebody else.
func TestExchangeOfOnesOwn(t *testing.T) {
	w := member(t)
	all := w.tokens("scope", "openid offline_access storage.read:/climate storage.modify:/climate/scratch", "resource", store1)
	w.clock.Move(20 * time.Minute)
	subject := w.claims(all["access_token"], store1)
	a := w.swap("lanyard-cli", exchange(all["access_token"], "scope", "storage.read:/climate/cmip6", "audience", store2))
	if a.status != http.StatusOK || a.json["issued_token_type"] != accessType || a.json["token_type"] != "Bearer" || a.json["refresh_token"] != nil ||
		a.json["scope"] != "storage.read:/climate/cmip6" || a.json["expires_in"] != float64(1800) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c := w.claims(a.json["access_token"], store2, "RS256")
	if c["scope"] != "storage.read:/climate/cmip6" || c["sid"] != subject["sid"] || c["sub"] != subject["sub"] || c["jti"] == subject["jti"] || c["act"] != nil {
		t.Errorf("claims %v", c)
	}
	t.Run("nothing named: the same once more, and no longer", func(t *testing.T) {
		a := w.swap("lanyard-cli", exchange(all["access_token"]))
		if a.status != http.StatusOK || w.claims(a.json["access_token"], store1)["exp"] != subject["exp"] || a.json["scope"] != "storage.read:/climate storage.modify:/climate/scratch" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("a token of our API that may make grants", func(t *testing.T) {
		full := w.tokens()
		a := w.swap("lanyard-cli", exchange(full["access_token"], "scope", "storage.read:/climate", "audience", store1))
		if a.status != http.StatusOK || w.claims(a.json["access_token"], store1)["scope"] != "storage.read:/climate" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := w.swap("lanyard-cli", exchange(full["access_token"], "scope", "storage.read:/physics", "audience", store1)); a.json["error"] != "invalid_scope" {
			t.Errorf("what nobody gave her: %d %s", a.status, a.body)
		}
	})
	t.Run("rights that went away meanwhile", func(t *testing.T) {
		change := audit.Change{Record: audit.By(identity.System(), noon, "member.remove", w.by.AccountID, "prj_climate")}
		if err := w.store.DeleteMember(t.Context(), "prj_climate", w.by.AccountID, change); err != nil {
			t.Fatal(err)
		}
		defer w.join(identity.User)
		if a := w.swap("lanyard-cli", exchange(all["access_token"])); a.json["error"] != "invalid_scope" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	records, err := w.store.Audit(t.Context(), audit.Filter{Actor: w.by.AccountID})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(records, func(r audit.Record) bool { return r.Action == "token.exchange" && r.Detail["audience"] == store2 })
	if i < 0 || records[i].Detail["client"] != "lanyard-cli" || records[i].Subject != subject["sid"] || records[i].Detail["scopes"] != "storage.read:/climate/cmip6" {
		t.Errorf("audit trail %+v", records)
	}
}

func TestExchangeRefuses(t *testing.T) {
	w := member(t)
	mine := w.tokens("scope", "openid offline_access storage.read:/climate/a", "resource", store1)
	opaque := w.tokens("scope", "openid s3:read")["access_token"]
	token := mine["access_token"]
	for name, c := range map[string]struct {
		client string
		form   url.Values
		want   string
	}{
		"a wider path":                 {"lanyard-cli", exchange(token, "scope", "storage.read:/climate"), "invalid_scope"},
		"one wider path of two":        {"lanyard-cli", exchange(token, "scope", "storage.read:/climate/a storage.read:/climate"), "invalid_scope"},
		"another action":               {"lanyard-cli", exchange(token, "scope", "storage.modify:/climate/scratch"), "invalid_scope"},
		"scopes of our API":            {"lanyard-cli", exchange(token, "scope", "s3:write"), "invalid_scope"},
		"a refresh token":              {"lanyard-cli", exchange(token, "scope", "offline_access"), "invalid_scope"},
		"storage for our API's token":  {"lanyard-cli", exchange(opaque, "scope", "storage.read:/climate/a"), "invalid_scope"},
		"an unknown audience":          {"lanyard-cli", exchange(token, "audience", "https://evil.example"), "invalid_target"},
		"an unknown resource":          {"lanyard-cli", exchange(token, "resource", "https://evil.example"), "invalid_target"},
		"a provider, without a rule":   {"lanyard-cli", exchange(token, "audience", "helmholtz"), "invalid_target"},
		"another client's":             {"app", exchange(token), "unauthorized_client"},
		"another client's, secretly":   {"fts", exchange(token), "unauthorized_client"},
		"another client's, unsigned":   {"fts", exchange(opaque), "unauthorized_client"},
		"its refresh token":            {"lanyard-cli", exchange(mine["refresh_token"]), "invalid_request"},
		"its ID token":                 {"lanyard-cli", exchange(mine["id_token"]), "invalid_request"},
		"its ID token, by its name":    {"lanyard-cli", exchange(mine["id_token"], "subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request"},
		"its refresh token, by name":   {"lanyard-cli", exchange(mine["refresh_token"], "subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
		"a type of nobody":             {"lanyard-cli", exchange(token, "subject_token_type", "x"), "invalid_request"},
		"no type":                      {"lanyard-cli", exchange(token, "subject_token_type", ""), "invalid_request"},
		"no token":                     {"lanyard-cli", exchange(""), "invalid_request"},
		"an ID token wanted":           {"lanyard-cli", exchange(token, "requested_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request"},
		"a refresh token wanted":       {"lanyard-cli", exchange(token, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
		"an actor without a type":      {"lanyard-cli", exchange(token, "actor_token", token.(string)), "invalid_request"},
		"a type without an actor":      {"lanyard-cli", exchange(token, "actor_token_type", accessType), "invalid_request"},
		"an actor that is nothing":     {"lanyard-cli", exchange(token, "actor_token", "x", "actor_token_type", accessType), "invalid_request"},
		"nothing":                      {"lanyard-cli", exchange("lyt_"), "invalid_request"},
		"unknown client":               {"evil", exchange(token), "invalid_client"},
		"a client without its secret":  {"hub ", exchange(token), "invalid_client"},
		"two audiences of two manners": {"lanyard-cli", exchange(token, "audience", store1+" https://sci.example"), "invalid_target"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.swap(c.client, c.form)
			if a.json["error"] != c.want || a.json["access_token"] != nil || a.status != 400 && a.status != 401 {
				t.Errorf("%d %s, want %s", a.status, a.body, c.want)
			}
		})
	}
	t.Run("ended", func(t *testing.T) {
		w.clock.Move(59*time.Minute + 59*time.Second)
		if a := w.swap("lanyard-cli", exchange(token)); a.status != 200 || a.json["expires_in"] != float64(1) {
			t.Errorf("in its last second: %d %s", a.status, a.body)
		}
		w.clock.Move(time.Second)
		if a := w.swap("lanyard-cli", exchange(token)); a.json["error"] != "invalid_request" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// A service that a token names, and a platform that the operator named, act for the person; the
// token says so.
func TestWhoActs(t *testing.T) {
	w := member(t)
	forFTS := w.tokens("scope", "storage.read:/climate", "resource", "https://fts.example")["access_token"]
	if c := w.claims(forFTS, "https://fts.example"); c["may_act"].(map[string]any)["sub"] != "fts" {
		t.Errorf("may act: %v", c["may_act"])
	}
	a := w.swap("fts", exchange(forFTS, "audience", store1))
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c := w.claims(a.json["access_token"], store1)
	act, _ := c["act"].(map[string]any)
	if act["sub"] != "fts" || c["sub"] != w.by.AccountID || c["client_id"] != "fts" || c["may_act"] != nil {
		t.Errorf("claims %v", c)
	}
	if a := w.swap("fts", exchange(forFTS, "audience", store1, "scope", "storage.modify:/climate/scratch")); a.json["error"] != "invalid_scope" {
		t.Errorf("more than the token: %d %s", a.status, a.body)
	}
	t.Run("who acts for who acts", func(t *testing.T) {
		token, depth := any(a.json["access_token"]), 1
		for range 6 {
			a := w.swap("fts", exchange(token, "actor_token", token.(string), "actor_token_type", accessType))
			if a.status != http.StatusOK {
				if a.json["error"] != "invalid_request" || depth != 4 {
					t.Errorf("after %d: %d %s", depth, a.status, a.body)
				}
				return
			}
			token, depth = a.json["access_token"], depth+1
		}
		t.Error("the chain has no end")
	})
	t.Run("a platform", func(t *testing.T) {
		own := w.hubToken("openid")
		a := w.swap("hub", exchange(own, "audience", store1, "scope", "storage.read:/climate/public/x"))
		if c := w.claims(a.json["access_token"], store1); c["scope"] != "storage.read:/climate/public/x" || c["act"] != nil || c["client_id"] != "hub" {
			t.Errorf("claims %v", c)
		}
		if a := w.swap("hub", exchange(own, "audience", store1, "scope", "storage.read:/climate")); a.json["error"] != "invalid_scope" {
			t.Errorf("more than its rule: %d %s", a.status, a.body)
		}
		theirs := w.tokens("scope", "storage.read:/climate/a", "resource", store1)["access_token"]
		a = w.swap("hub", exchange(theirs))
		if act, _ := w.claims(a.json["access_token"], store1)["act"].(map[string]any); act["sub"] != "hub" {
			t.Errorf("for somebody else's token: %d %s", a.status, a.body)
		}
	})
}

// By rule, a platform gets tokens of other providers from what the person approved.
func TestExchangeForAnotherProvider(t *testing.T) {
	w := member(t)
	own := w.hubToken("openid")
	a := w.swap("hub", exchange(own, "audience", "helmholtz", "scope", "openid"))
	if a.status != http.StatusOK || a.json["access_token"] != "theirs" || a.json["expires_in"] != float64(7200) || a.json["issued_token_type"] != accessType || a.json["refresh_token"] != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	if want := []string{w.by.AccountID + " helmholtz openid"}; !slices.Equal(w.grants.asked, want) {
		t.Errorf("asked for %q, want %q", w.grants.asked, want)
	}
	for name, c := range map[string]struct {
		client string
		form   url.Values
		err    error
		want   string
	}{
		"more than the rule":             {"hub", exchange(own, "audience", "helmholtz", "scope", "profile"), nil, "invalid_scope"},
		"another provider":               {"hub", exchange(own, "audience", "wlcg"), nil, "invalid_target"},
		"two at once":                    {"hub", exchange(own, "audience", "helmholtz "+store1), nil, "invalid_target"},
		"a client without a rule":        {"fts", exchange(own, "audience", "helmholtz"), nil, "invalid_target"},
		"the person has not approved":    {"hub", exchange(own, "audience", "helmholtz"), fault.New(fault.NotFound, "you have no grant").WithHint("lanyard token approve helmholtz"), "invalid_target"},
		"the person must sign in again":  {"hub", exchange(own, "audience", "helmholtz"), fault.New(fault.Conflict, "it ended"), "invalid_target"},
		"more than the person approved":  {"hub", exchange(own, "audience", "helmholtz"), fault.New(fault.Denied, "no"), "invalid_scope"},
		"the provider does not answer":   {"hub", exchange(own, "audience", "helmholtz"), fault.New(fault.Unavailable, "no answer"), "temporarily_unavailable"},
		"our own trouble is not told of": {"hub", exchange(own, "audience", "helmholtz"), errors.New("row 7"), "server_error"},
	} {
		t.Run(name, func(t *testing.T) {
			w.grants.err = c.err
			a := w.swap(c.client, c.form)
			if a.json["error"] != c.want || a.json["access_token"] != nil || strings.Contains(a.body, "row 7") {
				t.Errorf("%d %s, want %s", a.status, a.body, c.want)
			}
		})
	}
	w.grants.err = nil
	if err := w.login.SignOut(t.Context(), w.by); err != nil {
		t.Fatal(err)
	}
	w.post("/revoke", url.Values{"token": {own}}, basic("hub", hubKey))
	if a := w.swap("hub", exchange(own, "audience", "helmholtz")); a.json["error"] != "invalid_request" {
		t.Errorf("a token that was revoked: %d %s", a.status, a.body)
	}
}

// An independent client that exchanges, and the audience twice in the two ways of naming it.
func TestExchangeByAnIndependentClient(t *testing.T) {
	w := member(t)
	_, client := w.client("lanyard-cli", "", loopback)
	subject := w.tokens("scope", "storage.read:/climate", "resource", store1)["access_token"].(string)
	token, err := client.Exchange(w.ctx(), "", oauth2.SetAuthURLParam("grant_type", exchangeGrant), oauth2.SetAuthURLParam("subject_token", subject),
		oauth2.SetAuthURLParam("subject_token_type", accessType), oauth2.SetAuthURLParam("audience", store2), oauth2.SetAuthURLParam("redirect_uri", ""))
	if err != nil || w.claims(token.AccessToken, store2)["scope"] != "storage.read:/climate" || token.RefreshToken != "" {
		t.Errorf("%+v, error %v", token, err)
	}
	form := exchange(subject)
	form["audience"] = []string{store1, store2}
	if a := w.swap("lanyard-cli", form); a.status != http.StatusOK || len(w.claims(a.json["access_token"], store2)["aud"].([]any)) != 2 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
