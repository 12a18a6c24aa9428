package portal_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	grantkind "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/portal"
	"github.com/lanyardhq/lanyard/internal/portal/tokens"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// tokenWorld is a world with two providers: Helmholtz, which is elsewhere, and our own.
type tokenWorld struct {
	*world
	*provided
	custody   *custody.Custody
	subgrants *subgrant.Service
}

func newTokenWorld(t testing.TB) *tokenWorld {
	t.Helper()
	w := &tokenWorld{provided: &provided{}}
	w.world = newWorld(t, func(p *portal.Portal, c *login.Config) {
		kept := c.Store.(*store.Store)
		w.now = c.Now
		helmholtz := grant.Provider{ID: "helmholtz", Title: "Helmholtz AAI", Issuer: "https://login.helmholtz.example", Audience: "resource", Scopes: []string{"openid", "offline_access", "storage.read:/data", "storage.modify:/data"}}
		kit := grant.Provider{ID: "kit", Title: "KIT mytoken", Type: grant.MyToken, Issuer: "https://mytoken.kit.example"}
		own := grant.Provider{ID: "lanyard", Title: "This site", Type: grant.Lanyard, Scopes: []string{"storage.read:/"}}
		p.Broker.Kinds[grant.Kind] = &grantkind.Kind{Providers: map[string]grant.Provider{"helmholtz": helmholtz, "kit": kit, "lanyard": own}}
		p.Broker.Rules[grant.Kind] = credential.Lifetime{Default: 7 * 24 * time.Hour, Max: 30 * 24 * time.Hour}
		w.custody = &custody.Custody{Store: kept, Portal: p.URL, Now: c.Now, Log: c.Log,
			Providers: map[string]custody.Provider{"helmholtz": {Provider: helmholtz, Client: w.provided}, "kit": {Provider: kit, Client: w.provided}, "lanyard": {Provider: own}},
			Issue: func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
				got, err := p.Broker.Issue(ctx, by, o, once)
				return got.Credential, err
			}}
		w.subgrants = &subgrant.Service{Flows: kept, Store: kept, Grants: lent{w.custody, p.Broker}, Keys: key(t), Issuer: p.URL + "/mytoken", Providers: []grant.Provider{helmholtz, own},
			Life: p.Broker.Rules[grant.Kind], Now: c.Now, Log: c.Log}
		p.Tokens = &tokens.Pages{Broker: p.Broker, Custody: w.custody, Subgrants: w.subgrants}
	})
	return w
}

// lent lends custody to sub-grants, as the server does.
type lent struct {
	*custody.Custody
	broker *broker.Broker
}

func (l lent) TokenOf(ctx context.Context, id string, w grant.Wish) (grant.Tokens, error) {
	return l.Custody.TokenOf(ctx, id, custody.TokenWish{Wish: w})
}

func (l lent) EndGrant(ctx context.Context, by identity.Actor, id string) error {
	_, err := l.broker.End(ctx, by, id, noOnce)
	return err
}

// signer signs mytokens.
type signer struct{ private *ecdsa.PrivateKey }

func key(t testing.TB) signer {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{private}
}

func (s signer) Signer(algorithm string, _ time.Time) (wlcg.Key, error) {
	return wlcg.Key{ID: "k1", Algorithm: algorithm, Signer: s.private}, nil
}

func (s signer) Published(...string) wlcg.KeySet {
	return wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: "k1", Algorithm: subgrant.Algorithm, Key: &s.private.PublicKey}}}
}

// provided plays Helmholtz.
type provided struct {
	now func() time.Time

	mu    sync.Mutex
	begun []grant.Wish
	state string // of the last approval
	// down keeps it from answering. Refusal is what it says to refreshes.
	down    bool
	refusal *grant.Refusal
	// interval is how often to poll; zero: it sends people back.
	interval time.Duration
}

func (p *provided) Begin(_ context.Context, w grant.Wish, _ provider.Hint) (provider.Approval, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return provider.Approval{}, fault.New(fault.Unavailable, "Helmholtz AAI does not answer").WithHint("try again in a minute")
	}
	p.begun, p.state = append(p.begun, w), rand.Text()
	return provider.Approval{URL: "https://login.helmholtz.example/auth?scope=a+b&state=" + p.state, State: p.state, Data: []byte(strings.Join(w.Scopes, " ")), ExpiresAt: p.now().Add(time.Hour), Interval: p.interval}, nil
}

func (p *provided) Finish(_ context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	if e := answer.Get("error"); e == "access_denied" {
		return grant.Tokens{}, fault.New(fault.Denied, "you declined at Helmholtz AAI").WithHint("approve again, if you want to").WithCause(grant.ErrDeclined)
	} else if e != "" {
		return grant.Tokens{}, fault.New(fault.Denied, "Helmholtz AAI did not confirm it: %s", grant.Clean(answer.Get("error_description"), 100)).WithHint("begin again and agree there")
	}
	return p.tokens(strings.Fields(string(data))), nil
}

func (p *provided) tokens(scopes []string) grant.Tokens {
	return grant.Tokens{Access: material.Secret("CANARY-access-" + rand.Text()), Refresh: material.Secret("CANARY-refresh-" + rand.Text()), AccessExpiresAt: p.now().Add(time.Hour),
		RefreshExpiresAt: p.now().Add(720 * time.Hour), Scopes: scopes, Subject: "anna@helmholtz"}
}

func (p *provided) Poll(context.Context, []byte) (grant.Tokens, error) {
	return grant.Tokens{}, grant.ErrPending
}

func (p *provided) Refresh(_ context.Context, _ material.Secret, w grant.Wish) (grant.Tokens, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusal != nil {
		return grant.Tokens{}, p.refusal
	}
	return p.tokens(w.Scopes), nil
}

func (p *provided) Revoke(context.Context, material.Secret) (string, error) { return "revoked", nil }

// ordered are the fields of the form that orders a grant.
func ordered(name string, more ...string) url.Values {
	form := url.Values{"provider": {"helmholtz"}, "name": {name}, "for": {"HTCondor at punch-login"}, "scope": {"openid", "storage.read:/data"}, "life": {"168h0m0s"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// id is what the address that a page sends on to is about.
func (p page) id() string {
	return regexp.MustCompile(`crd_\w+`).FindString(p.resp.Header.Get("Location"))
}

// waiting orders a grant as somebody, by the form, and returns its id.
func (w *tokenWorld) waiting(b *browser, name string) string {
	w.t.Helper()
	return b.post("/tokens/new", ordered(name)).redirects("/approvals/crd_*").id()
}

// approved is waiting, and the way through the provider and back.
func (w *tokenWorld) approved(b *browser, name string) string {
	w.t.Helper()
	id := w.waiting(b, name)
	b.post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(200)
	b.get("/approvals/callback/helmholtz?code=c&state=" + w.state).redirects("/tokens/" + id + "?done=approved")
	return id
}

func TestWithoutTokensThereIsNoEntry(t *testing.T) {
	anna := newWorld(t).signIn("anna")
	if p := anna.get("/projects").is(200); strings.Contains(p.body, "/tokens") {
		t.Errorf("there is an entry for pages that there are not: %s", p.body)
	}
	anna.get("/tokens").is(404)
}

// An approval by forms, from nothing to the end.
func TestApproveAProvider(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	if p := anna.get("/tokens").is(200).says("Nothing is approved", "lanyard token approve", "Approve a provider"); !strings.Contains(p.body, `<a href="/tokens" aria-current="true">Tokens &amp; approvals</a>`) {
		t.Errorf("the navigation has no entry: %s", p.body)
	}
	anna.get("/tokens/new").is(200).says("Which one?", "Helmholtz AAI", "This site")
	anna.get("/tokens/new?provider=nowhere").is(404)
	form := anna.get("/tokens/new?provider=helmholtz").is(200).says("Approve Helmholtz AAI", "read below /data storage.read:/data", "go on while you are away", "How long?")
	if got := form.chosen("life"); got != "168h0m0s" {
		t.Errorf("the usual life is %s", got)
	}
	once, err := form.input("once")
	w.check(err)
	anna.post("/tokens/new", ordered("", "once", once)).is(400).says("name").filled("for", "HTCondor at punch-login")
	anna.post("/tokens/new", ordered("nightly", "scope", "", "once", once)).is(400)
	made := anna.post("/tokens/new", ordered("nightly", "once", once, "audiences", "https://se.example.org")).redirects("/approvals/crd_*")
	id := made.id()
	anna.post("/tokens/new", ordered("nightly", "once", once, "audiences", "https://se.example.org")).redirects("/approvals/" + id) // sent twice

	made.follow().is(200).says("Do you want to approve this at Helmholtz AAI?", "HTCondor at punch-login (says who asked)", "by Anna Virtanen from the network address "+anna.address,
		"read below /data", "https://se.example.org", "at the latest in 7 days", "Only continue if you started this", "Not me: refuse", "https://login.helmholtz.example")
	anna.get("/tokens").says("nightly", "waits for your approval", "Approve")
	anna.get("/tokens/"+id).says("There is no approval yet", "Approve Leads to Helmholtz AAI").hides("Extend", "Pause", "Narrow", "lanyard token get")
	on := anna.post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(200).says("You approve at login.helmholtz.example", "brings you back", "Continue at Helmholtz AAI")
	to := "https://login.helmholtz.example/auth?scope=a+b&state=" + w.state
	if got := on.resp.Header.Get("Refresh"); got != "0; url="+to || !strings.Contains(on.body, `href="`+strings.ReplaceAll(strings.ReplaceAll(to, "&", "&amp;"), "+", "&#43;")+`"`) {
		t.Errorf("it leads to %q: %s", got, on.body)
	}
	anna.get("/approvals/callback/helmholtz?code=c&state="+w.state).redirects("/tokens/"+id+"?done=approved").follow().is(200).
		says("Approved. You can close this page", "Valid, with a remaining life of 7 days", "anna@helmholtz", "fine", "lanyard token get "+id, "asked for by Anna Virtanen", "approved at Helmholtz AAI by Anna Virtanen")

	w.clock.Move(time.Minute)
	_, err = w.custody.Token(t.Context(), anna.actor(), id, custody.TokenWish{Force: true})
	w.check(err)
	w.clock.Move(2 * time.Minute)
	anna.get("/tokens").is(200).says("HTCondor at punch-login", "read below /data", "valid", "6 days 23 hours 57 minutes left", "renewed once, last 2 minutes ago", "next in").hides("CANARY")
	anna.get("/tokens/"+id).says("renewed once; last 2 minutes ago", "next in").hides("CANARY", "Approved. You can")
	anna.get("/tokens/" + id + "?done=paused").hides("It is paused") // which is not so

	anna.get("/tokens/"+id+"/narrow").is(200).says("Clear what its tokens shall no longer do", "storage.read:/data")
	anna.post("/tokens/"+id+"/narrow", url.Values{"audience": {"https://se.example.org"}}).is(400).says("Without any scope")
	anna.post("/tokens/"+id+"/narrow", url.Values{"scope": {"openid"}}).is(400).says("Without any audience")
	anna.post("/tokens/"+id+"/narrow", url.Values{"scope": {"openid", "storage.modify:/"}, "audience": {"https://se.example.org"}}).is(403)
	anna.post("/tokens/"+id+"/narrow", url.Values{"scope": {"openid"}, "audience": {"https://se.example.org"}}).redirects("/tokens/"+id+"?done=narrowed").follow().
		says("It is narrower now", "narrowed to openid https://se.example.org by Anna").hides("read below /data storage.read:/data")
	anna.post("/tokens/"+id+"/extend", nil).redirects("/tokens/"+id+"?done=extended").follow().says("It has a new end", "in 30 days")
	anna.post("/tokens/"+id+"/pause", nil).redirects("/tokens/"+id+"?done=paused").follow().says("It is paused", "Continue", "paused by Anna").hides("Extend")
	anna.post("/tokens/"+id+"/continue", nil).redirects("/tokens/" + id + "?done=continued").follow().says("It gives tokens again")
	anna.get("/tokens/"+id+"/end").is(200).says("Helmholtz AAI is told to forget it", "It is for HTCondor at punch-login")
	anna.post("/tokens/"+id+"/end", nil).redirects("/tokens/"+id+"?done=ended").follow().says("It has ended", "revoked", "never comes back", "Approve a new one").hides("End…")
	anna.get("/tokens").says("Nothing is approved")
	anna.get("/tokens?ended=1").says("nightly", "revoked")
}

// What needs the person is said, and repaired without another grant.
func TestSignInAgain(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	id := w.approved(anna, "nightly")
	w.refusal = &grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "<b>session over</b>", Status: 400}
	if _, err := w.custody.Token(t.Context(), anna.actor(), id, custody.TokenWish{Force: true}); err == nil {
		t.Fatal("a dead grant gave a token")
	}
	anna.get("/tokens").says("revoked at the provider", "Sign in again", "needs you to sign in since")
	anna.get("/projects").says("An approval waits for you to sign in again", "Helmholtz AAI no longer accepts the approval “nightly”.", "lanyard token approve "+id)
	anna.get("/tokens/"+id).says("Helmholtz AAI refuses to renew it, so you must sign in there again", "<b>session over</b>", "It stays the same approval").hides("Pause", "Use it").harmless("")
	w.refusal = nil
	anna.get("/approvals/"+id).says("Sign in again at Helmholtz AAI?", "what uses it goes on", "Not now").hides("refuse")
	anna.post("/approvals/"+id, nil).is(200).says("On to Helmholtz AAI")
	anna.get("/approvals/callback/helmholtz?code=c&state="+w.state).redirects("/tokens/"+id+"?done=approved").follow().says("valid", "fine", "signed in again at Helmholtz AAI by Anna", "Helmholtz AAI refuses it").hides("so you must sign in", "no longer accepts")
	anna.post("/approvals/"+id, url.Values{"decision": {"refuse"}}).is(409).says("approved before")
}

// A link can only open the page: nothing is approved without the form, and only its owner has one.
func TestNothingIsApprovedByALink(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	id := w.waiting(anna, "nightly")
	anna.get("/approvals/" + id + "?decision=approve&proof=" + anna.proof).is(200)
	anna.post("/approvals/"+id, url.Values{"decision": {"approve"}, "proof": {"WRONG"}}).is(403).says("was not sent from a page that you see now")
	anna.header.Set("Sec-Fetch-Site", "cross-site")
	anna.post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(403)
	w.signIn("ben").post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(404)
	if len(w.begun) > 0 {
		t.Errorf("begun without the form: %v", w.begun)
	}
	anna.post("/approvals/"+id, url.Values{"decision": {"refuse"}}).is(200).says("Refused: nothing was approved", "somebody else may be using your account")
	anna.get("/approvals/" + id).redirects("/tokens/" + id)
	anna.post("/approvals/"+id, url.Values{"decision": {"approve"}}).redirects("/tokens/" + id)
	if c := w.stored(id); c.Reason != credential.Deleted || len(w.begun) > 0 {
		t.Errorf("refused, and yet it is %s (%s), begun %v", c.Status, c.Reason, w.begun)
	}
}

// What a provider, or who pretends to be one, can send a browser back with.
func TestWhatProvidersAnswer(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	id := w.waiting(anna, "nightly")
	begin := func() string {
		anna.post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(200)
		return w.state
	}
	at := "/approvals/callback/helmholtz?"
	refused := anna.get(at+"error=server_error&error_description="+url.QueryEscape(`<script>alert(1)</script>`)+"&state="+begin()).is(403).
		says("Not approved", "Helmholtz AAI did not confirm it: <script>alert(1)</script>", "Begin again and agree there", "Nothing new was approved at Helmholtz AAI", "Request req_", "Try again")
	refused.harmless("")
	if !strings.Contains(refused.body, `href="/approvals/`+id+`"`) {
		t.Errorf("nothing leads back: %s", refused.body)
	}
	for what, query := range map[string]string{"no state": "code=c", "another state": "code=c&state=x", "two states": "code=c&state=" + begin() + "&state=y", "nothing": ""} {
		anna.get(at + query).is(400).says("Not approved")
		if c := w.stored(id); c.Status != credential.Intended {
			t.Errorf("%s: it is %s", what, c.Status)
		}
	}
	anna.get("/approvals/callback/lanyard?code=c&state=" + begin()).is(400) // mixed up
	anna.get("/approvals/callback/nowhere?code=c&state=x").is(400)
	w.signIn("anna").get(at + "code=c&state=" + begin()).is(400).says("another browser")
	w.browser().get(at + "code=c&state=" + begin()).redirects("/login?next=%2Ftokens%3Fapproval%3Dlost")
	anna.get("/tokens?approval=lost").says("Your approval did not arrive", "approve it once more")
	state := begin()
	anna.get(at + "code=c&state=" + state).redirects("/tokens/" + id + "?done=approved")
	anna.get(at + "code=c&state=" + state).is(400).says("was used already")
	w.down = true
	anna.post("/approvals/"+id, nil).is(503).says("Helmholtz AAI does not answer", "Try again in a minute", "Sign in again at Helmholtz AAI?")
}

// Who declines at the provider reads what has ended by it, and what has not.
func TestDeclinedAtTheProvider(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	decline := func(id string) page {
		anna.post("/approvals/"+id, url.Values{"decision": {"approve"}}).is(200)
		return anna.get("/approvals/callback/helmholtz?error=access_denied&state="+w.state).is(403).says("Declined", "You declined at Helmholtz AAI", "What you had approved before is as it was")
	}
	id := w.waiting(anna, "nightly")
	decline(id).says("Nothing was approved at Helmholtz AAI, and the request for it has ended here", "a program that waits for your approval is told so", "If you change your mind").hides("Try again")
	anna.get("/tokens?ended=1").says("declined at the provider")
	anna.get("/tokens/"+id).says("declined at the provider", "There is no approval yet", "not approved: you declined at Helmholtz AAI by Anna").hides("Revoked")
	anna.get("/approvals/" + id).redirects("/tokens/" + id)

	kept := w.approved(anna, "kept")
	decline(kept).says("Nothing new was approved at Helmholtz AAI", "Try again").hides("has ended here")
	anna.get("/tokens/"+kept).says("valid", "fine").hides("declined")

	f := w.asks(`{"oidc_issuer":"https://login.helmholtz.example","name":"jobs"}`)
	consent := "/approvals/mytoken/" + f.ConsentCode.Reveal()
	anna.post(consent, agreed(anna.get(consent))).is(200)
	anna.get("/approvals/callback/helmholtz?error=access_denied&state=" + w.state).is(403).says("start once more where you started this")
	anna.post(consent, url.Values{"decision": {"approve"}, "life": {"asked"}, "capability": {"AT"}, "scope": {"openid"}}).is(404).
		says("Nothing will come of this request: it was declined at Helmholtz AAI, or ended", "Start again in the application")
}

// Tokens of our own issuer need no approval elsewhere.
func TestOwnTokens(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	p := anna.post("/tokens/new", ordered("mine", "provider", "lanyard", "scope", "storage.read:/")).redirects("/tokens/crd_*").follow().
		is(200).says("It is in force", "This site", "not needed: its tokens are made here", "read everywhere in the storage").hides("Sign in again")
	id := regexp.MustCompile(`crd_\w+`).FindString(p.what)
	anna.get("/approvals/" + id).redirects("/tokens/" + id)
	anna.get("/tokens/" + id + "/end").says("those that it gave are refused")
}

func TestWhoSeesWhichTokens(t *testing.T) {
	w := newTokenWorld(t)
	people := w.people("ben", "anna")
	const in = 303
	for _, tc := range []struct {
		method, path         string // GRANT is one of anna's
		nobody, other, owner int
	}{
		{"GET", "/tokens", in, 200, 200},
		{"GET", "/tokens?after=crd_NONE", in, 200, 200},
		{"GET", "/tokens/new", in, 200, 200},
		{"GET", "/tokens/new?provider=helmholtz", in, 200, 200},
		{"POST", "/tokens/new", 401, 400, 400}, // without a name
		{"GET", "/tokens/GRANT", in, 404, 200},
		{"GET", "/tokens/crd_NONE", in, 404, 404},
		{"GET", "/tokens/nightly", in, 404, 404}, // a name is no id
		{"GET", "/tokens/helmholtz", in, 404, 404},
		{"POST", "/tokens/GRANT/extend", 401, 404, 303},
		{"POST", "/tokens/GRANT/pause", 401, 404, 303},
		{"POST", "/tokens/GRANT/continue", 401, 404, 303},
		{"GET", "/tokens/GRANT/narrow", in, 404, 200},
		{"POST", "/tokens/GRANT/narrow", 401, 404, 400}, // nothing would be left
		{"GET", "/tokens/GRANT/end", in, 404, 200},
		{"POST", "/tokens/GRANT/end", 401, 404, 303},
		{"GET", "/tokens/GRANT/subtokens/none", in, 404, 404},
		{"POST", "/tokens/GRANT/subtokens/none/end", 401, 404, 404},
		{"GET", "/approvals/GRANT", in, 404, 200},
		{"POST", "/approvals/GRANT", 401, 404, 200},
		{"GET", "/approvals/crd_NONE", in, 404, 404},
		{"GET", "/approvals/mytoken/NONE", in, 404, 404},
		{"POST", "/approvals/mytoken/NONE", 401, 404, 404},
		{"GET", "/keys/GRANT", in, 404, 303},
		{"POST", "/keys/GRANT/freeze", 401, 404, 303},
		{"GET", "/proxies/GRANT", in, 404, 303},
	} {
		for name, want := range map[string]int{"nobody": tc.nobody, "ben": tc.other, "anna": tc.owner} {
			id := w.approved(people["anna"], "nightly")
			b, form := people[name], url.Values(nil)
			if tc.method == "POST" {
				form = url.Values{"proof": {b.proof}}
			}
			got := b.do(tc.method, strings.ReplaceAll(tc.path, "GRANT", id), form)
			if got.resp.StatusCode != want {
				t.Errorf("%s for %s: %s, want %d: %s", got.what, name, got.resp.Status, want, got.words())
			}
			if c := w.stored(id); want >= 400 && c.Status != credential.Active {
				t.Errorf("%s for %s was refused, and yet the grant is %s", got.what, name, c.Status)
			}
		}
	}
	anna, ben := people["anna"], people["ben"]
	id, varies := w.approved(anna, "nightly"), regexp.MustCompile(`req_\w+|crd_\w+`)
	there, absent := ben.get("/tokens/"+id), ben.get("/tokens/crd_ABSENT")
	if a, b := varies.ReplaceAllString(there.body, ""), varies.ReplaceAllString(absent.body, ""); a != b {
		t.Errorf("a page tells that there is something:\n%s\n%s", a, b)
	}
	ben.get("/tokens?ended=1").hides("nightly")
}

// The page and the list tell each state in words, and what to do.
func TestStatesInWords(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	change := func(id string, do func(credential.Credential) credential.Credential) {
		_, err := w.store.SaveCredentials(t.Context(), []credential.Credential{do(w.stored(id))}, func(c credential.Credential) audit.Change {
			return audit.Change{Record: audit.By(identity.System(), w.clock.Now(), "grant.freeze", c.ID, "").With("reason", string(c.Reason))}
		})
		w.check(err)
	}
	frozen := func(why credential.Reason) func(string) {
		return func(id string) {
			change(id, func(c credential.Credential) credential.Credential {
				c, err := c.Freeze(w.clock.Now(), why)
				w.check(err)
				return c
			})
		}
	}
	fails := func(r grant.Refusal) func(string) {
		return func(id string) {
			w.refusal = &r
			_, _ = w.custody.Token(t.Context(), anna.actor(), id, custody.TokenWish{Force: true})
			w.refusal = nil
		}
	}
	for name, tc := range map[string]struct {
		do         func(id string)
		list, page []string
		hides      []string // on the page
	}{
		"valid":                   {func(string) {}, []string{"valid", "7 days left", "fine"}, []string{"Valid, with a remaining life of 7 days", "lanyard token get"}, []string{"retrying"}},
		"ends soon":               {func(id string) { w.clock.Move(6*24*time.Hour + 10*time.Hour) }, []string{"valid, less than a day left", "14 hours left"}, []string{"Valid, but its remaining life of 14 hours is less than a day"}, nil},
		"paused":                  {frozen(credential.FrozenByOwner), []string{"paused"}, []string{"Paused, with a remaining life", "Continue It gives tokens again"}, []string{"lanyard token get", "Sign in again"}},
		"stopped by the operator": {frozen(credential.Stopped), []string{"paused: the operator stopped it"}, []string{"You cannot let it continue", "paused: the operator stopped it"}, []string{"Continue It gives"}},
		"retrying":                {fails(grant.Refusal{Class: grant.Again, Status: 503, Code: "busy"}), []string{"valid", "retrying since just now"}, []string{"retrying since just now", "busy"}, []string{"so you must sign in"}},
		"refused":                 {fails(grant.Refusal{Class: grant.Operator, Status: 401, Code: "invalid_client"}), []string{"this server is refused"}, []string{"tokens cannot be renewed. The people who run this installation must act; you need to do nothing", "invalid_client"}, nil},
		"expired":                 {func(string) { w.clock.Move(8 * 24 * time.Hour) }, []string{"expired"}, []string{"Expired since 1 day", "Approve a new one"}, []string{"End…", "Extend", "lanyard token get"}},
	} {
		id := w.approved(anna, name)
		tc.do(id)
		if name == "expired" || name == "ends soon" {
			anna = w.signIn("anna") // the session has ended meanwhile
		}
		anna.get("/tokens").says(append(tc.list, name)...)
		anna.get("/tokens/" + id).is(200).says(tc.page...).hides(tc.hides...)
		anna.get("/approvals/" + id).hides("Not me: refuse")
		_, err := w.Broker.End(t.Context(), anna.actor(), id, noOnce)
		w.check(err)
	}
	never := w.waiting(anna, "never approved")
	w.clock.Move(2 * time.Hour)
	anna = w.signIn("anna")
	anna.get("/tokens").says("never approved").hides("Sign in again")
	anna.get("/tokens/"+never).says("never approved", "There is no approval yet", "Approve a new one").hides("Leads to")
	anna.get("/approvals/" + never).redirects("/tokens/" + never)
}

// A mytoken server is asked in its own page, and nobody comes back from there.
func TestProviderThatIsPolled(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	w.interval = 5 * time.Second
	id := anna.post("/tokens/new", ordered("mine", "provider", "kit")).redirects("/approvals/crd_*").id()
	anna.post("/approvals/"+id, nil).is(200).says("When you have done so you can close that page: this server notices by itself")
	anna.get("/tokens/" + id).says("waits for your approval")
}

func TestListGoesOn(t *testing.T) {
	w := newTokenWorld(t)
	anna := w.signIn("anna")
	for i := range 51 {
		_, err := w.custody.NewGrant(t.Context(), anna.actor(), grant.Spec{Provider: "helmholtz"}, "grant "+strconv.Itoa(i), 0)
		w.check(err)
		w.clock.Move(time.Second)
	}
	first := anna.get("/tokens").says("grant 50", "grant 1 ", "Older approvals").hides("grant 0 ")
	next := regexp.MustCompile(`/tokens\?after=crd_\w+`).FindString(first.body)
	anna.get(next).says("grant 0 ").hides("grant 1 ", "Older approvals")
}
