package mytoken_test

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/mytoken"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

func TestOtherUsesAreCountedByThemselves(t *testing.T) {
	w := newWorld(t)
	token := w.root(`{"restrictions":[{"exp":"+1d","usages_other":2}]}`).field("mytoken")
	for range 2 {
		if a := w.info("event_history", token); a.status != 200 {
			t.Errorf("a use: %s", a)
		}
	}
	if a := w.info("event_history", token); a.refused() != restricted {
		t.Errorf("one use too many: %s", a)
	}
	for range 3 {
		if a := w.info("introspect", token); a.status != 200 { // which is no use
			t.Errorf("introspection: %s", a)
		}
		if a := w.at(token); a.status != 200 {
			t.Errorf("an access token: %s", a)
		}
	}
}

func TestHistoriesOfOthers(t *testing.T) {
	w := newWorld(t)
	root := w.root(`{"capabilities":` + everything + `}`)
	child := w.derive(root.field("mytoken"), `{"capabilities":["AT","tokeninfo","create_mytoken"]}`)
	grandchild := w.derive(child.field("mytoken"), `{}`)
	stranger := w.root(`{}`)
	history := func(token string, ids ...string) answer {
		return w.post(tokeninfo, object(map[string]any{"action": "event_history", "mytoken": token, "mom_ids": ids}))
	}
	of := func(a answer) (ids []string) {
		events, _ := a.object["events"].([]any)
		for _, e := range events {
			fields, _ := e.(map[string]any)
			id, _ := fields["mom_id"].(string)
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	id := func(as ...answer) (ids []string) {
		for _, a := range as {
			ids = append(ids, a.field("mom_id"))
		}
		slices.Sort(ids)
		return ids
	}
	for name, c := range map[string]struct {
		got  answer
		want []string
	}{
		"its own":           {history(root.field("mytoken")), id(root)},
		"this and children": {history(root.field("mytoken"), "this", "children"), id(root, child, grandchild)},
		"children of":       {history(root.field("mytoken"), "children@"+child.field("mom_id")), id(grandchild)},
		"all of the person": {history(root.field("mytoken"), stranger.field("mom_id")), id(stranger)},
		"those below":       {history(child.field("mytoken"), grandchild.field("mom_id")), id(grandchild)},
	} {
		if got := of(c.got); c.got.status != 200 || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v: %s", name, got, c.want, c.got)
		}
	}
	for _, other := range []string{root.field("mom_id"), stranger.field("mom_id"), "nobody"} {
		if a := history(child.field("mytoken"), other); a.refused() != "403 invalid_grant: The provided token cannot be used to obtain history for mom_id '"+other+"'" {
			t.Errorf("what is above or beside: %s", a)
		}
	}
}

// Two uses of a rotating token at one instant: one of them gets the next token.
func TestUsesAtOneInstant(t *testing.T) {
	w := newWorld(t)
	token := w.root(`{"capabilities":["AT","tokeninfo"],"rotation":{"on_other":true}}`).field("mytoken")
	var mu sync.Mutex
	var next []string
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			a := w.info("subtokens", token)
			mu.Lock()
			defer mu.Unlock()
			if update, ok := a.object["token_update"].(map[string]any); ok {
				text, _ := update["mytoken"].(string)
				next = append(next, text)
			} else if a.refused() != "401 invalid_token" {
				t.Errorf("the others: %s", a)
			}
		})
	}
	running.Wait()
	if len(next) != 1 {
		t.Fatalf("%d uses got a next token", len(next))
	}
	if a := w.info("introspect", next[0]); a.status != 200 {
		t.Errorf("the next token: %s", a)
	}
}

// The last mytoken takes the grant with it, and the provider is told.
func TestTheProviderIsToldAtTheEnd(t *testing.T) {
	w := newWorld(t)
	root := w.root(`{"capabilities":["AT","create_mytoken"]}`)
	child := w.derive(root.field("mytoken"), `{"capabilities":["AT"]}`)
	told := make(chan string, 8)
	op.Inject(func(r *http.Request) providertest.Fault {
		if strings.HasSuffix(r.URL.Path, "/revocation") {
			told <- r.PostForm.Get("token")
		}
		return providertest.None
	})
	t.Cleanup(func() { op.Inject(nil) })
	w.post(revoke, object(map[string]any{"token": root.field("mytoken")}))
	if a := w.at(child.field("mytoken")); a.status != 200 {
		t.Errorf("the child lives on: %s", a)
	}
	w.post(revoke, object(map[string]any{"token": child.field("mytoken")}))
	w.run()
	select {
	case token := <-told:
		if token == "" {
			t.Error("an empty token was revoked")
		}
	case <-time.After(3 * time.Minute):
		t.Error("the provider was not told")
	}
}

func TestNew(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]mytoken.Config{
		"nothing":                {},
		"no page":                {Service: w.Service, Log: slog.Default()},
		"a slash":                {Service: &subgrant.Service{Issuer: "https://example.org/mytoken/"}, Consent: "https://example.org/", Log: slog.Default()},
		"no address":             {Service: &subgrant.Service{Issuer: "mytoken"}, Consent: "https://example.org/", Log: slog.Default()},
		"a provider without one": {Service: &subgrant.Service{Issuer: "https://example.org", Providers: []grant.Provider{{ID: "x"}}}, Consent: "https://example.org/", Log: slog.Default()},
	} {
		if f, err := mytoken.New(c); err == nil {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// Who says no at the provider ends the waiting of the application at once, as who says no to us does.
func TestDeclinedAtTheProvider(t *testing.T) {
	w := newWorld(t)
	started := w.start(`{"name":"laptop"}`)
	page := started.field("consent_uri")
	consent := page[strings.LastIndexByte(page, '/')+1:]
	redirect, err := w.Accept(t.Context(), ada, consent, delegation.Wish{})
	w.check(err)
	if a := w.poll(started.field("polling_code")); a.refused() != "428 authorization_pending" {
		t.Errorf("while she is there: %s", a)
	}
	c, err := w.custody.Callback(t.Context(), ada, "nop", op.Approve(t, redirect+"&login_hint=nobody"))
	if fault.CodeOf(err) != fault.Denied || c.Reason != credential.Declined {
		t.Errorf("she came back to %s (%s), %v", c.Status, c.Reason, err)
	}
	for range 2 {
		if a := w.poll(started.field("polling_code")); a.refused() != "401 invalid_token: Bad polling or transfer code" {
			t.Errorf("after she declined: %s", a)
		}
	}
	if _, err := w.Accept(t.Context(), ada, consent, delegation.Wish{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("once more from the page: %v", err)
	}
}
