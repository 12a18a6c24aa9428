package subgrant_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
)

func TestStatesOfAPollingCode(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		f, err := w.Start(ctx, w.wish(`{"oidc_issuer":"https://op.example.org/","name":"laptop","restrictions":[{"exp":"+1d","scope":"openid"}]}`), here)
		check(t, err)
		if f.Life != 300*time.Second || f.Interval != 5*time.Second || len(f.ConsentCode.Reveal()) < 23 || f.ConsentCode == f.PollingCode {
			t.Errorf("flow: %+v", f)
		}
		pending := func(when string) {
			t.Helper()
			_, err := w.Poll(ctx, f.PollingCode, here)
			w.refuses(when, err, "authorization_pending")
			if e, _ := errors.AsType[*delegation.Error](err); e == nil || e.Status != 428 {
				t.Errorf("%s: %v", when, err)
			}
		}
		pending("at once")
		if _, err := w.Poll(ctx, f.ConsentCode, here); err == nil || err.Error() != badCode {
			t.Errorf("who sees the address of the page can poll: %v", err)
		}
		if _, err := w.Asked(ctx, ada, f.PollingCode.Reveal()); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("who polls can consent: %v", err)
		}
		redirect, err := w.Accept(ctx, ada, f.ConsentCode.Reveal(), delegation.Wish{})
		check(t, err)
		pending("while the person is at the provider")
		// Who comes back to the page goes on to the provider; somebody else knows of nothing.
		if again, err := w.Accept(ctx, ada, f.ConsentCode.Reveal(), delegation.Wish{}); err != nil || again != redirect {
			t.Errorf("again: %q, %v", again, err)
		}
		if _, err := w.Accept(ctx, ben, f.ConsentCode.Reveal(), delegation.Wish{}); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("another person: %v", err)
		}
		w.approve(grantOf(redirect))
		w.answer = func(context.Context) error { return &grant.Refusal{Class: grant.Again, Status: 503} }
		pending("while the provider has hiccups")
		w.answer = nil
		i, err := w.Poll(ctx, f.PollingCode, here)
		check(t, err)
		if i.Form != delegation.FormToken || i.ExpiresIn != 24*time.Hour || text(t, i.Capabilities) != `["AT","tokeninfo"]` || text(t, i.Clauses) != `[{"exp":1795348800,"scope":"openid"}]` {
			t.Errorf("issued: %+v", i)
		}
		_, err = w.Poll(ctx, f.PollingCode, here)
		w.refuses("a second time", err, badCode)
		_, err = w.Poll(ctx, "nonsense", here)
		w.refuses("unknown", err, badCode)
		if w.audited("subgrant.create") != 1 || w.audited("delegation.accept") != 1 {
			t.Error("not audited once")
		}
		w.works("the token", i)
	})
}

func TestFlowsThatComeToNothing(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		begin := func() subgrant.Flow {
			f, err := w.Start(ctx, w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
			check(t, err)
			return f
		}
		declined, expired, refused, dead, late := begin(), begin(), begin(), begin(), begin()
		check(t, w.Decline(ctx, ada, declined.ConsentCode.Reveal()))
		for range 2 {
			_, err := w.Poll(ctx, declined.PollingCode, here)
			w.refuses("declined", err, "access_denied: user declined consent")
		}
		if _, err := w.Accept(ctx, ada, declined.ConsentCode.Reveal(), delegation.Wish{}); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("accepted after all: %v", err)
		}
		redirect, err := w.Accept(ctx, ada, refused.ConsentCode.Reveal(), delegation.Wish{})
		check(t, err)
		w.change(grantOf(redirect), func(g credential.Credential) (credential.Credential, error) {
			return g.End(w.now(), credential.Declined), nil
		})
		for range 2 {
			_, err = w.Poll(ctx, refused.PollingCode, here)
			w.refuses("declined at the provider", err, badCode)
		}

		redirect, err = w.Accept(ctx, ada, dead.ConsentCode.Reveal(), delegation.Wish{})
		check(t, err)
		w.approve(grantOf(redirect))
		w.answer = func(context.Context) error {
			return &grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Status: 400}
		}
		_, err = w.Poll(ctx, dead.PollingCode, here)
		w.refuses("dead at the provider", err, badCode)
		if !slices.Contains(w.ended, grantOf(redirect)) {
			t.Errorf("ended: %v", w.ended)
		}
		w.answer = nil

		redirect, err = w.Accept(ctx, ada, late.ConsentCode.Reveal(), delegation.Wish{})
		check(t, err)
		w.move(300 * time.Second)
		_, err = w.Poll(ctx, expired.PollingCode, here)
		w.refuses("nobody came", err, "expired_token: polling or transfer code is expired")
		_, err = w.Poll(ctx, refused.PollingCode, here)
		w.refuses("declined at the provider, later", err, badCode)
		_, err = w.Poll(ctx, late.PollingCode, here)
		w.refuses("not back from the provider", err, "expired_token: polling or transfer code is expired")
		if _, err := w.Asked(ctx, ada, expired.ConsentCode.Reveal()); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("page of an expired request: %v", err)
		}
		// Somebody who comes back from the provider too late leaves no grant that nobody holds.
		w.approve(grantOf(redirect))
		w.move(time.Second)
		check(t, w.Sweep(ctx))
		if !slices.Contains(w.ended, grantOf(redirect)) {
			t.Errorf("ended: %v", w.ended)
		}
	})
}

func TestStartsThatAreRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for ask, want := range map[string]string{
			`{"oidc_issuer":"https://nope.example.org"}`: "invalid_request: The provided issuer is not supported",
			`{}`: "invalid_request: The provided issuer is not supported",
			`{"oidc_issuer":"https://op.example.org","restrictions":[{"exp":1795246693}]}`:                          "invalid_request: token would already be expired",
			`{"oidc_issuer":"https://op.example.org","include":"kit/nope"}`:                                         "invalid_request: unknown include name: 'kit/nope'",
			`{"oidc_issuer":"https://op.example.org","capabilities":["nonsense"]}`:                                  "invalid_request: mytoken to be issued cannot have any of the requested capabilities",
			`{"oidc_issuer":"https://op.example.org","restrictions":[{"exp":"+31d"}],"error_on_restrictions":true}`: "invalid_request: requested restrictions do not respect maximum mytoken lifetime",
		} {
			_, err := w.Start(t.Context(), w.wish(ask), here)
			w.refuses(ask, err, want)
		}
		var one subgrant.Flow
		for range 100 {
			var err error
			one, err = w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
			check(t, err)
		}
		_, err := w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
		w.refuses("one more", err, "too_many_requests: too many requests from 192.0.2.1 wait for a person")
		if e, ok := errors.AsType[*delegation.Error](err); !ok || e.Status != 429 || e.RetryAfter != 5*time.Minute {
			t.Errorf("one address can fill the table, or is not told when to come again: %+v", e)
		}
		_, err = w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), subgrant.Asker{Address: "192.0.2.9"})
		check(t, err)
		check(t, w.Decline(t.Context(), ada, one.ConsentCode.Reveal()))
		_, err = w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
		check(t, err) // what was answered waits for nobody
		// An IPv6 host has as many addresses as it likes.
		for i := range 101 {
			_, err = w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), subgrant.Asker{Address: fmt.Sprintf("2001:db8::%x", i+1)})
			if i < 100 {
				check(t, err)
			}
		}
		w.refuses("one more of the same network", err, "too_many_requests: too many requests from 2001:db8::65 wait for a person")
	})
}

func TestLivesAreCutAndSaidSo(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for ask, want := range map[string]string{
			`{}`: `[{"exp":1797854400}]`, // 30 days
			`{"restrictions":[{"exp":"+60d","scope":"openid"},{"exp":"+1d"}]}`: `[{"exp":1797854400,"scope":"openid"},{"exp":1795348800}]`,
			`{"oidc_issuer":"https://short.example.org"}`:                      `[{"exp":1795266000}]`, // the provider's hour
			`{"include":"kit/c4p-htcondor"}`:                                   `[{"exp":1795867200,"scope":"openid profile offline_access"}]`,
		} {
			i := w.root(ask)
			if got := text(t, i.Clauses); got != want || says(t, i.Token)["exp"] != float64(i.ExpiresAt.Unix()) {
				t.Errorf("%s: got %s until %v, want %s", ask, got, says(t, i.Token)["exp"], want)
			}
		}
	})
}

func TestWhatWasNotGrantedIsCut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.scopes = []string{"openid"}
		i := w.root(`{"restrictions":[{"exp":"+1d","scope":"openid storage.read:/"},{"exp":"+1d","scope":"compute.read"}]}`)
		if got := text(t, i.Clauses); got != `[{"exp":1795348800,"scope":"openid"}]` {
			t.Errorf("got %s", got)
		}
		w.audiences = []string{"https://a", "https://elsewhere"}
		i = w.root(`{"restrictions":[{"exp":"+1d","audience":["https://a","https://b"]},{"exp":"+1d","audience":["https://b"]},{"exp":"+1h"}]}`)
		if got := text(t, i.Clauses); got != `[{"exp":1795348800,"audience":["https://a"]},{"exp":1795266000}]` {
			t.Errorf("got %s", got)
		}
		for n, ask := range []string{`{"restrictions":[{"scope":"compute.read"}]}`, `{"restrictions":[{"audience":["https://b"]}]}`} {
			_, err := w.Poll(t.Context(), w.flow(ask).PollingCode, here)
			w.refuses("nothing left, which must not mean everything", err, badCode)
			if len(w.ended) != n+1 {
				t.Error("a grant that nobody holds goes on")
			}
		}
	})
}

func TestConsent(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		begin := func() string {
			f, err := w.Start(ctx, w.wish(`{"oidc_issuer":"https://op.example.org","application_name":"HTCondor","capabilities":["AT","tokeninfo"],"restrictions":[{"scope":"openid profile","hosts":["this"]}]}`), here)
			check(t, err)
			return f.ConsentCode.Reveal()
		}
		code := begin()
		asked, err := w.Asked(ctx, ada, code)
		check(t, err)
		if asked.Provider.ID != "op" || asked.Asked.Application != "HTCondor" || asked.Address != here.Address || strings.Join(asked.Scopes, " ") != "openid profile" ||
			!asked.Latest.Equal(start.Add(30*24*time.Hour)) || !asked.Default.Equal(start.Add(24*time.Hour)) || text(t, asked.Asked.Clauses) != `[{"scope":"openid profile","hosts":["192.0.2.1"]}]` {
			t.Errorf("asked: %+v", asked)
		}
		for name, changed := range map[string]delegation.Wish{
			"another capability": {Capabilities: delegation.Capabilities{"AT", "create_mytoken"}},
			"another scope":      {Clauses: []delegation.Clause{{Scope: []string{"compute.read"}}}},
			"no scope":           {Clauses: []delegation.Clause{{Expires: start.Add(time.Hour)}}},
			"other hosts":        {Clauses: []delegation.Clause{{Scope: []string{"openid"}, Hosts: []string{"0.0.0.0/0"}}}},
			"nothing at all":     {Capabilities: delegation.Capabilities{"nonsense"}},
		} {
			if _, err := w.Accept(ctx, ada, code, changed); fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, by := range map[string]identity.Actor{"nobody": {}, "a robot": {AccountID: "usr_ada", Kind: identity.Robot},
			"a token for reading": {AccountID: "usr_ada", Kind: identity.Person, Scopes: []identity.Scope{identity.ReadTokens}}} {
			if _, err := w.Accept(ctx, by, code, delegation.Wish{}); fault.CodeOf(err) != fault.Denied {
				t.Errorf("%s: %v", name, err)
			}
		}
		// The person takes away a scope and a capability, adds an end, and gives a name.
		f, err := w.Start(ctx, w.wish(`{"oidc_issuer":"https://op.example.org","capabilities":["AT","tokeninfo"],"restrictions":[{"scope":"openid profile","hosts":["this"]}]}`), here)
		check(t, err)
		redirect, err := w.Accept(ctx, ada, f.ConsentCode.Reveal(), delegation.Wish{Name: "mine", Capabilities: delegation.Capabilities{"AT", "tokeninfo:introspect"},
			Clauses: []delegation.Clause{{Scope: []string{"openid"}, Hosts: []string{"this"}, Expires: start.Add(time.Hour)}}, Rotation: &delegation.Rotation{OnAT: true}})
		check(t, err)
		g, _, err := w.store.Credential(ctx, grantOf(redirect))
		check(t, err)
		if g.Name != "mine" || !g.ExpiresAt.Equal(start.Add(time.Hour)) || string(g.Spec) != `{"provider":"op","scopes":["openid"]}` && !strings.Contains(string(g.Spec), `"scopes":["openid"]`) {
			t.Errorf("grant: %+v %s", g, g.Spec)
		}
		w.approve(g.ID)
		i, err := w.Poll(ctx, f.PollingCode, here)
		check(t, err)
		if text(t, i.Capabilities) != `["AT","tokeninfo:introspect"]` || text(t, i.Clauses) != `[{"exp":1795266000,"scope":"openid","hosts":["192.0.2.1"]}]` || !i.Rotation.OnAT || says(t, i.Token)["name"] != "mine" {
			t.Errorf("issued: %+v", i)
		}
	})
}

func TestOurOwnIssuerNeedsNoSecondApproval(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		f, err := w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://lanyard.example.org"}`), here)
		check(t, err)
		if redirect, err := w.Accept(t.Context(), ada, f.ConsentCode.Reveal(), delegation.Wish{}); err != nil || redirect != "" {
			t.Errorf("accepted: %q, %v", redirect, err)
		}
		i, err := w.Poll(t.Context(), f.PollingCode, here)
		check(t, err)
		w.works("the token", i)
	})
}

func TestOneOfTwoAnswersCounts(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		f, err := w.Start(ctx, w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
		check(t, err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		accepted := map[string]bool{}
		for _, by := range []identity.Actor{ada, ben, ada, ben} {
			wg.Go(func() {
				if redirect, err := w.Accept(ctx, by, f.ConsentCode.Reveal(), delegation.Wish{}); err == nil {
					mu.Lock()
					accepted[redirect] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(accepted) != 1 {
			t.Errorf("%d answers count", len(accepted))
		}
	})
}

// A crash between any two steps leaves rows from which the next poll goes on.
func TestAPollGoesOnWhereAServerDied(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		f := w.flow(`{"name":"x"}`)
		died := *w.Service
		died.Keys = deadKeys{w.Keys}
		_, err := died.Poll(t.Context(), f.PollingCode, here)
		if err == nil {
			t.Fatal("a token without a signature")
		}
		// The reply was lost after the commit: the code is used up, and the person sees what nobody holds.
		_, err = w.Poll(t.Context(), f.PollingCode, here)
		w.refuses("after the commit", err, badCode)

		f = w.flow(`{"name":"y"}`)
		w.answer = func(context.Context) error { return errors.New("killed") }
		_, err = w.Poll(t.Context(), f.PollingCode, here)
		w.refuses("before it", err, "authorization_pending")
		w.answer = nil
		_, err = w.Poll(t.Context(), f.PollingCode, here)
		check(t, err)
	})
}

type deadKeys struct{ wire.Keys }

func (deadKeys) Signer(string, time.Time) (k wlcgKey, err error) { return k, errors.New("killed") }

// Four polls at once for one code: one gets the token.
func TestACodeIsSingleUseAlsoAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		f := w.flow(`{"name":"x"}`)
		var wg sync.WaitGroup
		got := make(chan error, 4)
		for range 4 {
			wg.Go(func() {
				_, err := w.Poll(context.WithoutCancel(t.Context()), f.PollingCode, here)
				got <- err
			})
		}
		wg.Wait()
		close(got)
		n := 0
		for err := range got {
			if err == nil {
				n++
			} else if err.Error() != badCode {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d tokens", n)
		}
	})
}

func TestWhatATokenSays(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"name":"laptop:full","capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1d","scope":"openid storage.read:/","usages_AT":50}],"rotation":{"on_AT":true,"lifetime":3600}}`)
		parts := strings.Split(i.Token.Reveal(), ".")
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		check(t, err)
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		check(t, err)
		want := `{"ver":"0.7","token_type":"mytoken","iss":"https://lanyard.example.org/mytoken","sub":"B6SADTmH3VHoRncsdcQHOJsEUJTfSprVxscDDefe/qc=","seq_no":1,"name":"laptop:full",` +
			`"aud":"https://lanyard.example.org/mytoken","oidc_sub":"ada@op","oidc_iss":"https://op.example.org","capabilities":["AT","tokeninfo"],"exp":1795348800,"nbf":1795262400,` +
			`"iat":1795262400,"auth_time":1795262400,"jti":"` + i.ID + `","restrictions":[{"exp":1795348800,"scope":"openid storage.read:/","usages_AT":50}],"rotation":{"on_AT":true,"lifetime":3600}}`
		if string(header) != `{"alg":"ES384","typ":"MT+JWT"}` || string(payload) != want {
			t.Errorf("header %s\ngot  %s\nwant %s", header, payload, want)
		}
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		check(t, err)
		sum := sha512.Sum384([]byte(parts[0] + "." + parts[1]))
		key := w.PublicKeys().Keys[0].Key.(*ecdsa.PublicKey)
		if len(signature) != 96 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:])) {
			t.Error("the signature is none of ES384")
		}
	})
}
