package portal_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

var elsewhere = subgrant.Asker{Address: "198.51.100.9", UserAgent: "mytoken/0.6"}

// asks begins a flow as an application does, with a request of mytoken's API.
func (w *tokenWorld) asks(request string) subgrant.Flow {
	w.t.Helper()
	wish, err := delegation.ParseWish([]byte(request), w.clock.Now())
	w.check(err)
	f, err := w.subgrants.Start(w.t.Context(), wish, elsewhere)
	w.check(err)
	return f
}

// agreed is the form that leaves everything as it was asked.
func agreed(p page) url.Values {
	form := url.Values{"decision": {"approve"}, "life": {p.chosen("life")}}
	for _, m := range regexp.MustCompile(`type="checkbox" name="(\w+)" value="([^"]*)" checked`).FindAllStringSubmatch(p.body, -1) {
		form.Add(m[1], m[2])
	}
	name, err := p.input("name")
	p.check(err)
	form.Set("name", name)
	return form
}

const condor = `{"oidc_issuer":"https://login.helmholtz.example","application_name":"htcondor <b>","name":"jobs","capabilities":"AT tokeninfo:introspect create_mytoken",
	"restrictions":[{"exp":%d,"scope":"openid storage.read:/data","hosts":["this"],"usages_AT":3}],"rotation":{"on_AT":true,"lifetime":3600,"auto_revoke":true}}`

func TestConsent(t *testing.T) {
	w := newTokenWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	f := w.asks(fmt.Sprintf(condor, start.Add(100*time.Hour).Unix()))
	at := "/approvals/mytoken/" + f.ConsentCode.Reveal()
	w.browser().get(at).redirects("/login?next=" + url.QueryEscape(at))
	w.browser().get("/login/local?next=" + at).says("Sign in to see what asks for your approval")
	p := anna.get(at).is(200).says("Do you want to let this application act for you?", "htcondor <b> (as it calls itself; nobody has checked)", "198.51.100.9", "mytoken/0.6 (as it says)",
		"you can answer until", "Helmholtz AAI", "get access tokens in your name", "see its own rights and uses", "pass on a part of its rights", "read below /data",
		"as long as it asks until Wed 25 Nov 2026, 16:00", "only from 198.51.100.9", "access tokens: at most 3 times", "every access token that it gets replaces it", "each lives for 1 hour",
		"if one that was replaced is shown again, all end", "Only continue if you started this").hides("storage.modify", "7 days", "CANARY")
	p.harmless("")
	if p.chosen("life") != "asked" {
		t.Errorf("the chosen life is %q", p.chosen("life"))
	}
	// A link opens the page only.
	anna.get(at + "?decision=approve&capability=AT&scope=openid&life=asked").is(200)
	anna.post(at, url.Values{"decision": {"approve"}, "proof": {"WRONG"}}).is(403)
	for field, text := range map[string]string{"capability": "leave one thing", "scope": "without any scope", "life": "choose how long"} {
		form := agreed(p)
		form.Del(field)
		if got := anna.post(at, form).is(400); !strings.Contains(strings.ToLower(got.words()), text) {
			t.Errorf("without %s: %s", field, got.words())
		}
	}
	for field, more := range map[string]string{"capability": "manage_mytokens", "life": "-1h"} {
		form := agreed(p)
		form.Set(field, more)
		anna.post(at, form).is(400)
	}
	if len(w.begun) > 0 {
		t.Fatalf("begun before anybody agreed: %v", w.begun)
	}
	// What is posted beyond what was offered changes nothing.
	form := agreed(p)
	form["scope"] = []string{"openid", "storage.modify:/data"}
	form["capability"] = []string{"AT", "create_mytoken"}
	form.Set("life", "24h0m0s")
	form.Set("name", "my jobs")
	anna.post(at, form).is(200).says("On to Helmholtz AAI")
	if len(w.begun) != 1 || strings.Join(w.begun[0].Scopes, " ") != "openid" {
		t.Errorf("begun with %v", w.begun)
	}
	anna.get(at).is(200).says("You have agreed already", "Continue at Helmholtz AAI")
	ben.get(at).is(404).says("no such request, or its five minutes are over", "Start again in the application")
	anna.post(at, url.Values{"decision": {"approve"}, "life": {"asked"}, "capability": {"AT"}, "scope": {"openid"}}).is(200).says("On to Helmholtz AAI")
	done := anna.get("/approvals/callback/helmholtz?code=c&state=" + w.state).redirects("/tokens/crd_*")
	done.follow().says("Approved. You can close this page", "my jobs")
	got, err := w.subgrants.Poll(t.Context(), f.PollingCode, elsewhere)
	w.check(err)
	clauses, _ := json.Marshal(got.Clauses)
	want := fmt.Sprintf(`[{"exp":%d,"scope":"openid","hosts":["198.51.100.9/32"],"usages_AT":3}]`, start.Add(24*time.Hour).Unix())
	if strings.Join(got.Capabilities, " ") != "AT create_mytoken" || string(clauses) != strings.ReplaceAll(want, "/32", "") && string(clauses) != want {
		t.Errorf("issued %v, %s; want %s", got.Capabilities, clauses, want)
	}
	anna.get(at).is(404)

	gone := w.asks(fmt.Sprintf(condor, start.Add(100*time.Hour).Unix()))
	anna.post("/approvals/mytoken/"+gone.ConsentCode.Reveal(), url.Values{"decision": {"decline"}}).is(200).says("Declined: the application gets nothing", "somebody may have tried")
	if _, err := w.subgrants.Poll(t.Context(), gone.PollingCode, elsewhere); err == nil || !strings.Contains(err.Error(), "declined") {
		t.Errorf("polling what was declined: %v", err)
	}
	late := w.asks(fmt.Sprintf(condor, start.Add(100*time.Hour).Unix()))
	w.clock.Move(6 * time.Minute)
	anna.get("/approvals/mytoken/" + late.ConsentCode.Reveal()).is(404).says("its five minutes are over")
}

// An application that asks for no end gets what is usual, or what the person chooses; a grant at our
// own issuer needs no other page.
func TestConsentWithoutAnEnd(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	f := w.asks(`{"oidc_issuer":"https://login.helmholtz.example"}`)
	at := "/approvals/mytoken/" + f.ConsentCode.Reveal()
	p := anna.get(at).is(200).says("it gives no name", "see its own rights and history", "as long as is allowed here", "add, change and delete below /data").hides("Within these limits", "How it changes")
	if got := p.chosen("life"); got != "168h0m0s" {
		t.Errorf("the usual life is %s", got)
	}
	form := agreed(p)
	form.Set("name", "everything")
	anna.post(at, form).is(200).says("On to Helmholtz AAI")
	if got := strings.Join(w.begun[0].Scopes, " "); got != "openid offline_access storage.read:/data storage.modify:/data" {
		t.Errorf("begun with %s", got)
	}
	w.down = true
	anna.post(at, url.Values{"decision": {"approve"}, "life": {"asked"}, "capability": {"AT"}, "scope": {"openid"}}).is(503).says("Helmholtz AAI does not answer", "You have agreed already")
}

func TestTreeOfTokens(t *testing.T) {
	w := newTokenWorld(t)
	anna, ben := w.signIn("anna"), w.signIn("ben")
	f := w.asks(`{"oidc_issuer":"https://login.helmholtz.example","application_name":"htcondor","name":"jobs","capabilities":"AT create_mytoken"}`)
	at := "/approvals/mytoken/" + f.ConsentCode.Reveal()
	anna.post(at, agreed(anna.get(at))).is(200)
	id := anna.get("/approvals/callback/helmholtz?code=c&state=" + w.state).redirects("/tokens/crd_*").id()
	root, err := w.subgrants.Poll(t.Context(), f.PollingCode, elsewhere)
	w.check(err)
	derive := func(name string) subgrant.Issued {
		one := int64(5)
		d, err := w.subgrants.Derive(t.Context(), root.Token, delegation.Wish{Name: name, Capabilities: delegation.Capabilities{"AT"},
			Clauses: []delegation.Clause{{UsagesAT: &one, Expires: start.Add(time.Hour)}, {Scope: []string{"openid"}, Expires: start.Add(2 * time.Hour)}}}, elsewhere)
		w.check(err)
		return d
	}
	first, second := derive("node one <b>"), derive("node two")
	_, err = w.subgrants.AccessToken(t.Context(), first.Token, subgrant.AccessWish{Comment: "stage-in <b>"}, elsewhere)
	w.check(err)

	page := anna.get("/tokens/"+id).is(200).says("Tokens that others hold", "jobs", "node one <b>", "node two", "get access tokens in your name; pass on a part",
		"agreed to what “htcondor” asked for from 198.51.100.9 by Anna Virtanen", "token “node one <b>” made from 198.51.100.9").hides("CANARY")
	page.harmless("")
	if !regexp.MustCompile(`jobs</a>[^\n]*<ul><li>[^\n]*node (one|two)[^\n]*</li><li>[^\n]*node (one|two)[^\n]*</li></ul></li></ul>`).MatchString(page.body) {
		t.Errorf("no tree: %s", page.body)
	}
	under := "/tokens/" + id + "/subtokens/"
	anna.get(under+first.ID).is(200).says("Token “node one <b>”", "198.51.100.9, mytoken/0.6", "access tokens: at most 5 times, 1 used", "or", "only for openid", "got an access token (stage-in <b>) from 198.51.100.9").harmless("")
	anna.get(under+root.ID).says("Made from it 2 more", "End with all below", "htcondor (as it called itself)").hides("Within these limits no limit")
	other := w.approved(anna, "another")
	for _, path := range []string{under + "none", "/tokens/" + other + "/subtokens/" + first.ID} {
		anna.get(path).is(404)
		anna.post(path+"/end", nil).is(404)
	}
	ben.get(under + first.ID).is(404)
	ben.post(under+first.ID+"/end", nil).is(404)

	anna.post(under+first.ID+"/end", nil).redirects("/tokens/"+id+"?done=stopped").follow().says("The token has ended", "node two", "token “node one <b>” ended by Anna Virtanen").hides(`subtokens/` + first.ID)
	if _, err := w.subgrants.AccessToken(t.Context(), first.Token, subgrant.AccessWish{}, elsewhere); err == nil {
		t.Error("a token that was ended works")
	}
	anna.get("/tokens/"+id+"/end").says("Tokens that applications hold end with it", "jobs", "node two", "Type its name")
	anna.post("/tokens/"+id+"/end", url.Values{"name": {"job"}}).is(400).says("That is not its name", "Nothing was ended; type jobs")
	anna.post(under+root.ID+"/end", url.Values{"below": {"1"}}).redirects("/tokens/" + id + "?done=stopped").follow().says("revoked").hides("Tokens that others hold")
	if _, err := w.subgrants.AccessToken(t.Context(), second.Token, subgrant.AccessWish{}, elsewhere); err == nil {
		t.Error("a token below one that was ended works")
	}
}

func TestHostileTextAboutTokensIsText(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	for _, payload := range payloads {
		q, short := url.QueryEscape(payload), payload[:min(len(payload), 60)]
		anna.get("/tokens/new?provider=helmholtz&name=" + q + "&for=" + q + "&more=" + q + "&audiences=" + q + "&life=" + q + "&until=" + q).is(200).harmless(payload)
		anna.get("/tokens/new?provider=" + q).is(404).harmless("")
		anna.get("/tokens?after=" + q + "&approval=" + q).is(200).harmless("")
		anna.get("/tokens/" + url.PathEscape(payload)).is(404).harmless("")
		anna.get("/approvals/" + url.PathEscape(payload)).is(404).harmless("")
		anna.get("/approvals/mytoken/" + url.PathEscape(payload)).is(404).harmless("")
		anna.get("/approvals/callback/" + url.PathEscape(payload) + "?state=" + q + "&error=" + q).is(400).harmless("")
		anna.post("/tokens/new", ordered(payload, "life", payload, "more", payload)).is(400).harmless("")

		word := strings.Join(strings.Fields(short), "_")
		made, err := w.custody.NewGrant(t.Context(), anna.actor(), grant.Spec{Provider: "helmholtz", Scopes: []string{"openid", "x:" + word}, Audiences: []string{word}, For: short}, short, 0)
		if fault.CodeOf(err) == fault.Invalid {
			continue // it holds what nobody can see
		}
		w.check(err)
		for _, at := range []string{"/tokens", "/tokens/" + made.ID, "/tokens/" + made.ID + "/end", "/tokens/" + made.ID + "/narrow", "/approvals/" + made.ID} {
			anna.get(at).is(200).harmless(short)
		}
		anna.get("/tokens/" + made.ID + "?done=" + q).harmless(short)
		anna.post("/tokens/"+made.ID+"/narrow", url.Values{"scope": {payload}, "audience": {payload}}).harmless("")

		text, err := json.Marshal(payload)
		w.check(err)
		wish, err := delegation.ParseWish(fmt.Appendf(nil, `{"oidc_issuer":"https://login.helmholtz.example","application_name":%s,"name":%s,"restrictions":[{"scope":"openid","audience":[%s]}]}`, text, text, text), w.clock.Now())
		if err != nil {
			continue
		}
		f, err := w.subgrants.Start(t.Context(), wish, subgrant.Asker{Address: "198.51.100.9", UserAgent: payload})
		w.check(err)
		at := "/approvals/mytoken/" + f.ConsentCode.Reveal()
		anna.get(at).is(200).harmless("")
		anna.post(at, url.Values{"decision": {"approve"}, "name": {payload}, "life": {payload}, "capability": {payload}, "scope": {payload}}).is(400).harmless("")
		anna.post(at, url.Values{"decision": {"decline"}}).is(200).harmless("")
	}
}
