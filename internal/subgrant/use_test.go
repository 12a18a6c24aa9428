package subgrant_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/material"
)

func TestAccessTokens(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		limited := w.root(`{"restrictions":[{"exp":"+1d","scope":"openid storage.read:/","audience":["https://se.example.org","https://fts.example.org"]}]}`)
		open := w.root(`{}`)
		for name, c := range map[string]struct {
			token subgrant.Issued
			wish  subgrant.AccessWish
			want  string // asked of the provider, or the refusal
		}{
			"the clause's":              {limited, subgrant.AccessWish{}, "openid storage.read:/ for https://se.example.org https://fts.example.org"},
			"narrower":                  {limited, subgrant.AccessWish{Scopes: []string{"openid"}, Audiences: []string{"https://se.example.org"}}, "openid for https://se.example.org"},
			"beyond the scope":          {limited, subgrant.AccessWish{Scopes: []string{"compute.read"}}, restricted},
			"beyond the audience":       {limited, subgrant.AccessWish{Audiences: []string{"https://other.example.org"}}, restricted},
			"no clause":                 {open, subgrant.AccessWish{}, " for "},
			"no clause, narrower scope": {open, subgrant.AccessWish{Scopes: []string{"openid"}}, "openid for "},
			"right issuer":              {open, subgrant.AccessWish{Issuer: op + "/"}, " for "},
			"wrong issuer":              {open, subgrant.AccessWish{Issuer: "https://other.example.org"}, "invalid_request: token not for specified issuer"},
		} {
			a, err := w.AccessToken(ctx, c.token.Token, c.wish, here)
			if err != nil {
				w.refuses(name, err, c.want)
			} else if got := w.lastWish(); got != c.want || a.Token == "" || a.ExpiresIn != time.Hour || a.Update != nil {
				t.Errorf("%s: asked for %q, got %+v", name, got, a)
			}
		}
	})
}

func TestWhatProvidersRefuse(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"restrictions":[{"usages_AT":1}]}`)
		for want, err := range map[string]error{
			"oidc_error: invalid_grant: grant request is invalid":                &grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "grant request is invalid", Status: 400},
			"oidc_error: invalid_scope":                                          &grant.Refusal{Class: grant.Again, Code: "invalid_scope", Status: 400},
			"internal_server_error: the provider cannot be reached":              &grant.Refusal{Class: grant.Again, Unsent: true},
			"oidc_error: invalid_scope: the scope x was not granted":             fault.New(fault.Denied, "the scope x was not granted"),
			"oidc_error: invalid_grant: the provider wants you to sign in again": fault.New(fault.Conflict, "the provider wants you to sign in again"),
			"internal_server_error: the database does not answer":                fault.New(fault.Unavailable, "the database does not answer"),
			"internal_server_error: internal error":                              errors.New("secret details"),
		} {
			w.answer = func(context.Context) error { return err }
			_, got := w.at(i.Token)
			w.refuses("refused", got, want)
		}
		w.answer = nil
		// None of that was a use.
		w.works("the only use", i)
		_, err := w.at(i.Token)
		w.refuses("used up", err, restricted)
	})
}

// No transaction is open while a provider is asked: others go on meanwhile.
func TestASlowProviderHoldsUpNobodyElse(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		slow, other := w.root(`{}`), w.root(`{}`)
		asked, answer := make(chan bool), make(chan bool)
		w.answer = func(context.Context) error {
			close(asked)
			<-answer
			return nil
		}
		done := make(chan error)
		go func() {
			_, err := w.at(slow.Token)
			done <- err
		}()
		<-asked
		if _, err := w.Introspect(t.Context(), other.Token, here); err != nil {
			t.Error(err)
		}
		if _, err := w.Transfer(t.Context(), other.Token, here); err != nil {
			t.Error(err)
		}
		close(answer)
		check(t, <-done)
	})
}

func TestHosts(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"restrictions":[{"hosts":["this","2001:db8::/32"]}]}`)
		for address, ok := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.1": true, "2001:db8::7": true, "192.0.2.2": false, "nonsense": false, "": false} {
			_, err := w.AccessToken(t.Context(), i.Token, subgrant.AccessWish{}, subgrant.Asker{Address: address})
			if (err == nil) != ok {
				t.Errorf("%q: %v", address, err)
			}
		}
	})
}

func TestCountsAreExactAmongManyAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["AT","create_mytoken"],"restrictions":[{"usages_AT":7,"scope":"openid"}]}`)
		tokens := []material.Secret{root.Token}
		for range 3 {
			tokens = append(tokens, w.derive(root, `{"restrictions":[{"usages_AT":5,"scope":"openid"}]}`).Token)
		}
		var wg sync.WaitGroup
		var given atomic.Int64
		for n := range 40 {
			wg.Go(func() {
				if _, err := w.at(tokens[n%len(tokens)]); err == nil {
					given.Add(1)
				} else if err.Error() != restricted {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if given.Load() != 7 {
			t.Errorf("%d access tokens were given; 7 are allowed to all together", given.Load())
		}
	})
}

func TestDerive(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"exp":"+1d","scope":"openid storage.read:/","usages_AT":50}]}`)
		for name, c := range map[string]struct{ ask, capabilities, clauses string }{
			"tighter":                  {`{"capabilities":["AT"],"restrictions":[{"exp":"+1h","scope":"openid","usages_AT":2}],"error_on_restrictions":true}`, `["AT"]`, `[{"exp":1795266000,"scope":"openid","usages_AT":2}]`},
			"nothing said":             {`{}`, `["AT","tokeninfo","create_mytoken"]`, `[{"exp":1795348800,"scope":"openid storage.read:/","usages_AT":50}]`},
			"nothing said, and strict": {`{"error_on_restrictions":true}`, `["AT","tokeninfo","create_mytoken"]`, `[{"exp":1795348800,"scope":"openid storage.read:/","usages_AT":50}]`},
			"no end":                   {`{"restrictions":[{"scope":"openid","usages_AT":1}]}`, `["AT","tokeninfo","create_mytoken"]`, `[{"exp":1795348800,"scope":"openid","usages_AT":1}]`},
			"cut":                      {`{"capabilities":["AT","settings:grants"],"restrictions":[{"exp":"+2d"}]}`, `["AT"]`, `[{"exp":1795348800,"scope":"openid storage.read:/","usages_AT":50}]`},
			"a template's":             {`{"restrictions":[{"include":"web-default","scope":"openid"}]}`, `["AT","tokeninfo","create_mytoken"]`, `[{"exp":1795305600,"scope":"openid","hosts":["192.0.2.1"],"usages_AT":15}]`},
			"a profile's":              {`{"include":"kit/c4p-htcondor"}`, `["AT","tokeninfo:introspect"]`, `[{"exp":1795348800,"scope":"openid","usages_AT":50}]`},
			"some alternatives":        {`{"restrictions":[{"scope":"compute.read"},{"scope":"openid","exp":"+1h","usages_AT":1}]}`, `["AT","tokeninfo","create_mytoken"]`, `[{"exp":1795266000,"scope":"openid","usages_AT":1}]`},
		} {
			i := w.derive(root, c.ask)
			if text(t, i.Capabilities) != c.capabilities || text(t, i.Clauses) != c.clauses || i.ID == root.ID {
				t.Errorf("%s: got %s %s", name, text(t, i.Capabilities), text(t, i.Clauses))
			}
		}
		plain := w.derive(root, `{"capabilities":["AT"]}`)
		for ask, c := range map[string]struct {
			token material.Secret
			want  string
		}{
			`{"restrictions":[{"exp":"+2d"}],"error_on_restrictions":true}`:                    {root.Token, "invalid_request: requested restrictions are not subset of original restrictions"},
			`{"restrictions":[{"scope":"openid","usages_AT":1}],"error_on_restrictions":true}`: {root.Token, "invalid_request: requested restrictions are not subset of original restrictions"}, // without an end
			`{"restrictions":[{"scope":"compute.read"}]}`:                                      {root.Token, "invalid_request: requested restrictions are not subset of original restrictions"},
			`{"capabilities":["nonsense"]}`:                                                    {root.Token, "invalid_request: mytoken to be issued cannot have any of the requested capabilities"},
			`{"capabilities":["settings"]}`:                                                    {root.Token, "invalid_request: mytoken to be issued cannot have any of the requested capabilities"},
			`{"oidc_issuer":"https://other.example.org"}`:                                      {root.Token, "invalid_request: token not for specified issuer"},
			`{"restrictions":[{"exp":5}]}`:                                                     {root.Token, "invalid_request: token would already be expired"},
			`{}`:                                                                               {plain.Token, incapable},
		} {
			_, err := w.Derive(ctx, c.token, w.wish(ask), here)
			w.refuses(ask, err, c.want)
		}
		deep := root
		for n := 2; ; n++ {
			i, err := w.Derive(ctx, deep.Token, w.wish(`{}`), here)
			if err != nil {
				if n != delegation.MaxDepth+1 {
					t.Errorf("generation %d: %v", n, err)
				}
				break
			}
			deep = i
		}
		w.works("the deepest", deep)
	})
}

func TestForms(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"exp":"+1d","scope":"openid"}]}`)
		short := w.derive(root, `{"response_type":"short_token"}`)
		if len(short.Token.Reveal()) != 64 || strings.Trim(short.Token.Reveal(), "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ") != "" || short.Form != "short_token" || short.ExpiresIn != 24*time.Hour {
			t.Errorf("short: %+v %d", short, len(short.Token.Reveal()))
		}
		w.works("short", short)
		transfer := w.derive(root, `{"response_type":"transfer_code"}`)
		if transfer.Token != "" || len(transfer.Code.Reveal()) < 23 || len(transfer.Code.Reveal()) >= 32 || transfer.ExpiresIn != 300*time.Second {
			t.Errorf("transfer: %+v", transfer)
		}
		got, err := w.Redeem(ctx, transfer.Code, here)
		check(t, err)
		if got.ID != transfer.ID || got.Form != "token" || got.ExpiresIn != 24*time.Hour {
			t.Errorf("redeemed: %+v", got)
		}
		w.works("redeemed", got)
		_, err = w.Redeem(ctx, transfer.Code, here)
		w.refuses("twice", err, badCode)
		_, err = w.Redeem(ctx, short.Token, here)
		w.refuses("a short token is no transfer code", err, badCode)
		for max, form := range map[string]delegation.Form{"2000": "token", "100": "short_token", "64": "short_token", "40": "transfer_code"} {
			if i := w.derive(root, `{"max_token_len":`+max+`,"response_type":"short_token"}`); i.Form != form {
				t.Errorf("at most %s: %s", max, i.Form)
			}
		}
		exact := len(w.derive(root, `{}`).Token.Reveal())
		if i := w.derive(root, `{"max_token_len":`+text(t, exact)+`}`); i.Form != "token" || len(i.Token.Reveal()) != exact {
			t.Errorf("exactly %d: %s of %d", exact, i.Form, len(i.Token.Reveal()))
		}
		if i := w.derive(root, `{"max_token_len":`+text(t, exact-1)+`}`); i.Form != "short_token" {
			t.Errorf("one less than %d: %s", exact, i.Form)
		}
	})
}

func TestTransfer(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"capabilities":["create_mytoken"],"restrictions":[{"exp":"+1d","usages_other":2}],"rotation":{"on_other":true}}`)
		code, err := w.Transfer(ctx, root.Token, here) // no capability, no use, no rotation
		check(t, err)
		void, err := w.Transfer(ctx, root.Token, here)
		check(t, err)
		late, err := w.Transfer(ctx, root.Token, here)
		check(t, err)
		same, err := w.Redeem(ctx, code.Code, here)
		check(t, err)
		if says(t, same.Token)["jti"] != says(t, root.Token)["jti"] || says(t, same.Token)["iat"] != says(t, root.Token)["iat"] || says(t, same.Token)["seq_no"] != 1.0 {
			t.Errorf("another token: %v", says(t, same.Token))
		}
		child, err := w.Derive(ctx, same.Token, w.wish(`{"response_type":"short_token"}`), here)
		check(t, err)
		_, err = w.Redeem(ctx, void.Code, here)
		w.refuses("for a token that was replaced", err, badCode)
		w.move(300 * time.Second)
		_, err = w.Redeem(ctx, late.Code, here)
		w.refuses("too late", err, "expired_token: polling or transfer code is expired")
		// A short token is transferred as another short token of the same sub-grant.
		code, err = w.Transfer(ctx, child.Token, here)
		check(t, err)
		again, err := w.Redeem(ctx, code.Code, here)
		check(t, err)
		if again.Form != "short_token" || again.ID != child.ID || again.Token == child.Token {
			t.Errorf("redeemed: %+v", again)
		}
		var wg sync.WaitGroup
		code, err = w.Transfer(ctx, child.Token, here)
		check(t, err)
		var n atomic.Int64
		for range 4 {
			wg.Go(func() {
				if _, err := w.Redeem(ctx, code.Code, here); err == nil {
					n.Add(1)
				}
			})
		}
		wg.Wait()
		if n.Load() != 1 {
			t.Errorf("redeemed %d times", n.Load())
		}
	})
}

// Whoever asks again and again fills no table.
func TestCodesForOneTokenAreBounded(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		short := w.root(`{"response_type":"short_token"}`)
		const many = "invalid_request: 100 codes stand for this token already"
		for range 99 { // and itself
			c, err := w.Transfer(t.Context(), short.Token, here)
			check(t, err)
			_, err = w.Redeem(t.Context(), c.Code, here)
			check(t, err)
		}
		c, err := w.Transfer(t.Context(), short.Token, here)
		check(t, err)
		_, err = w.Redeem(t.Context(), c.Code, here)
		w.refuses("one short token more", err, many)
		for range 99 {
			_, err := w.Transfer(t.Context(), short.Token, here)
			check(t, err)
		}
		_, err = w.Transfer(t.Context(), short.Token, here)
		w.refuses("one transfer code more", err, many)
		w.works("the token", short)
		w.move(5 * time.Minute)
		check(t, w.Sweep(t.Context()))
		_, err = w.Transfer(t.Context(), short.Token, here)
		check(t, err)
	})
}

// Who leaves, or waits for too long, gets an answer that says so, and is no error of ours.
func TestWhoLeavesIsNoError(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{}`)
		var log strings.Builder
		w.Log = slog.New(slog.NewTextHandler(&log, nil))
		ctx, leave := context.WithCancel(t.Context())
		w.answer = func(context.Context) error { leave(); return nil }
		_, err := w.AccessToken(ctx, root.Token, subgrant.AccessWish{}, here)
		w.refuses("who left", err, "internal_server_error: the answer took too long")
		if log.Len() > 0 {
			t.Errorf("the log is\n%s", &log)
		}
	})
}

func TestTokensThatAreRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"restrictions":[{"exp":"+1h"}]}`)
		parts := strings.Split(i.Token.Reveal(), ".")
		header := func(h string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(h)) + "." + parts[1] + "." + parts[2]
		}
		flipped := []byte(parts[1])
		flipped[10] ^= 1
		const foreign = "invalid_token: token is none of this server"
		for token, want := range map[string]string{
			"":                       "invalid_token: no mytoken found in request",
			"abc":                    "invalid_request: token not valid",
			strings.Repeat("x", 64):  "invalid_token: token contains an invalid number of segments",
			strings.Repeat("x.", 40): "invalid_token: token contains an invalid number of segments",
			parts[0] + "." + string(flipped) + "." + parts[2]:                                        "invalid_token: crypto/ecdsa: verification error",
			parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 96)): "invalid_token: crypto/ecdsa: verification error",
			parts[0] + "." + parts[1] + ".":                                                          foreign,
			parts[0] + "." + parts[1] + "." + parts[2] + "=":                                         foreign,
			header(`{"alg":"none","typ":"MT+JWT"}`):                                                  foreign,
			header(`{"alg":"HS384","typ":"MT+JWT"}`):                                                 foreign,
			header(`{"alg":"ES384","typ":"MT+JWT","jwk":{}}`):                                        foreign,
			header(`{"alg":"ES384","typ":"MT+JWT","kid":"../../etc/passwd"}`):                        foreign,
			header(`{"alg":"ES384","typ":"at+jwt"}`):                                                 foreign,
			i.Token.Reveal() + strings.Repeat("A", 1<<20):                                            foreign,
		} {
			_, err := w.at(material.Secret(token))
			w.refuses(token[:min(len(token), 60)], err, want)
		}
		other := *w.Service
		other.Issuer = "https://other.example.org/mytoken"
		_, err := other.AccessToken(t.Context(), i.Token, subgrant.AccessWish{}, here)
		w.refuses("another server's with the same key", err, "invalid_token: invalid issuer")
		w.works("the token itself", i)
		w.move(time.Hour)
		_, err = w.at(i.Token)
		w.refuses("at the instant", err, "invalid_token: token is expired by 0s")
		w.move(2 * time.Second)
		_, err = w.at(i.Token)
		w.refuses("after it", err, "invalid_token: token is expired by 2s")
		check(t, w.Sweep(t.Context()))
		_, err = w.at(i.Token)
		w.refuses("when the row says so too", err, "invalid_token: token is expired by 2s")
		_, err = w.at(w.root(`{"restrictions":[{"nbf":"+1h"}]}`).Token)
		w.refuses("not yet", err, "invalid_token: token is not valid yet")
	})
}

func TestFreezingAndEndingRefuseAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"capabilities":["AT","create_mytoken"]}`)
		child := w.derive(root, `{"capabilities":["AT"]}`)
		id := w.grantOf(root)
		w.change(id, func(g credential.Credential) (credential.Credential, error) {
			return g.Freeze(w.now(), credential.FrozenByOwner)
		})
		for name, i := range map[string]subgrant.Issued{"root": root, "child": child} {
			_, err := w.at(i.Token)
			w.refuses(name+" while frozen", err, restricted)
		}
		w.change(id, func(g credential.Credential) (credential.Credential, error) {
			return g.Thaw(w.now(), credential.FrozenByOwner)
		})
		w.works("thawed", child)
		account, err := w.store.Account(ctx, "usr_ada")
		check(t, err)
		account.FrozenAt = w.now()
		check(t, w.store.SaveAccount(ctx, account, did("account.freeze", account.ID)))
		_, err = w.at(child.Token)
		w.refuses("account stopped", err, restricted)
		account.FrozenAt = time.Time{}
		check(t, w.store.SaveAccount(ctx, account, did("account.thaw", account.ID)))
		w.change(id, func(g credential.Credential) (credential.Credential, error) {
			return g.End(w.now(), credential.Deleted), nil
		})
		for name, i := range map[string]subgrant.Issued{"root": root, "child": child} {
			_, err := w.at(i.Token)
			w.refuses(name+" after the end", err, badToken)
		}
	})
}

// grantOf finds the grant of a token.
func (w *world) grantOf(i subgrant.Issued) string {
	w.t.Helper()
	c, err := w.store.Chain(w.t.Context(), i.ID)
	check(w.t, err)
	return c.Links[0].GrantID
}

func TestRotation(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"exp":"+1d"}],"rotation":{"on_AT":true,"on_other":true,"lifetime":3600}}`)
		w.move(time.Minute)
		a, err := w.at(root.Token)
		check(t, err)
		next := a.Update
		if next == nil || next.ID != root.ID || next.ExpiresIn != time.Hour || says(t, next.Token)["seq_no"] != 2.0 || says(t, next.Token)["iat"] != float64(w.now().Unix()) || !next.Rotation.OnAT {
			t.Fatalf("update: %+v", next)
		}
		if says(t, root.Token)["exp"] != float64(start.Add(24*time.Hour).Unix()) {
			t.Error("the first token has the lifetime of successors")
		}
		_, err = w.at(root.Token)
		w.refuses("the old one", err, badToken)
		i, err := w.Derive(ctx, next.Token, w.wish(`{"capabilities":["AT"]}`), here)
		check(t, err)
		if i.Update == nil || says(t, i.Update.Token)["seq_no"] != 3.0 {
			t.Errorf("update: %+v", i.Update)
		}
		got, err := w.Introspect(ctx, i.Update.Token, here) // does not rotate
		check(t, err)
		if !strings.Contains(string(got.Token), `"restrictions":[{"exp":1795348800,"usages_AT_done":1,"usages_other_done":1}]`) {
			t.Errorf("counts: %s", got.Token)
		}
		// The last successor ends with the clauses.
		w.move(23*time.Hour + 30*time.Minute - time.Minute)
		if _, err := w.at(i.Update.Token); err == nil || !strings.Contains(err.Error(), "token is expired by") {
			t.Errorf("after its lifetime: %v", err)
		}
		w.works("a child lives as its own clauses say", i)
	})
}

func TestRotationOfShortTokens(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"response_type":"short_token","rotation":{"on_AT":true,"auto_revoke":true}}`)
		a, err := w.at(root.Token)
		check(t, err)
		if a.Update.Form != "short_token" || len(a.Update.Token.Reveal()) != 64 || a.Update.Token == root.Token {
			t.Fatalf("update: %+v", a.Update)
		}
		b, err := w.at(a.Update.Token)
		check(t, err)
		_, err = w.at(root.Token)
		w.refuses("replayed", err, badToken)
		_, err = w.at(b.Update.Token)
		w.refuses("the newest after that", err, "invalid_token: token contains an invalid number of segments")
	})
}

// Who shows a token that was replaced, to use it or to revoke it, cannot have the newest: with
// auto_revoke all of it ends.
func TestReplay(t *testing.T) {
	for name, show := range map[string]func(*world, material.Secret){
		"used": func(w *world, replaced material.Secret) {
			_, err := w.at(replaced)
			w.refuses("replayed", err, badToken)
		},
		"revoked": func(w *world, replaced material.Secret) {
			_, err := w.Revoke(w.t.Context(), replaced, subgrant.RevokeWish{}, here)
			check(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				for ask, ends := range map[string]bool{
					`{"capabilities":["AT","create_mytoken"],"rotation":{"on_AT":true,"auto_revoke":true}}`: true,
					`{"capabilities":["AT","create_mytoken"],"rotation":{"on_AT":true}}`:                    false,
				} {
					root := w.root(ask)
					child := w.derive(root, `{"capabilities":["AT"]}`)
					a, err := w.at(root.Token)
					check(t, err)
					show(w, root.Token)
					_, newest := w.at(a.Update.Token)
					_, below := w.at(child.Token)
					if (newest != nil) != ends || (below != nil) != ends {
						t.Errorf("%s: the newest %v, below %v", ask, newest, below)
					}
					if ends && len(w.ended) != 1 {
						t.Error("the grant of a stolen token goes on")
					}
				}
				if w.audited("subgrant.revoke") != 1 {
					t.Errorf("%d records", w.audited("subgrant.revoke"))
				}
			})
		})
	}
}

// Uses at the same instant that were all good when they came: one gets the successor, the others
// are refused, and none of them is taken for a thief.
func TestTwoUsesOfARotatingTokenAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"rotation":{"on_AT":true,"auto_revoke":true}}`)
		const n = 8
		var arrived sync.WaitGroup
		arrived.Add(n)
		grants := &meeting{Grants: w.Grants, arrived: &arrived}
		w.Grants = grants
		var wg sync.WaitGroup
		updates := make(chan *subgrant.Issued, n)
		for range n {
			wg.Go(func() {
				a, err := w.at(root.Token)
				if err == nil {
					updates <- a.Update
				} else if err.Error() != badToken {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(updates)
		if len(updates) != 1 {
			t.Fatalf("%d successors", len(updates))
		}
		w.Grants = grants.Grants
		w.works("the successor", *<-updates)
	})
}

// meeting lets nobody pass the provider before all are there.
type meeting struct {
	subgrant.Grants
	arrived *sync.WaitGroup
}

func (m *meeting) TokenOf(ctx context.Context, id string, w grant.Wish) (grant.Tokens, error) {
	m.arrived.Done()
	m.arrived.Wait()
	return m.Grants.TokenOf(ctx, id, w)
}

func TestPeopleSeeAndEndWhatTheyGave(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"name":"root","capabilities":["AT","create_mytoken"]}`)
		child := w.derive(root, `{"name":"child","application_name":"job"}`)
		w.derive(child, `{"name":"grandchild"}`)
		id := w.grantOf(root)
		tree := func() string {
			t.Helper()
			all, err := w.Tree(ctx, ada, id)
			check(t, err)
			var s []string
			for _, g := range all {
				s = append(s, g.Name)
			}
			return strings.Join(s, " ")
		}
		if got := tree(); got != "root child grandchild" {
			t.Errorf("tree: %s", got)
		}
		for name, by := range map[string]identity.Actor{"another": ben, "nobody": {}, "a token for keys": {AccountID: "usr_ada", Kind: identity.Person, Scopes: []identity.Scope{identity.ReadKeys}}} {
			if _, err := w.Tree(ctx, by, id); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s sees: %v", name, err)
			}
			if err := w.End(ctx, by, child.ID, true); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s ends: %v", name, err)
			}
			if _, err := w.Events(ctx, by, child.ID); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s reads: %v", name, err)
			}
		}
		check(t, w.End(ctx, ada, child.ID, false))
		check(t, w.End(ctx, ada, child.ID, false)) // again
		if got := tree(); got != "root grandchild" {
			t.Errorf("tree: %s", got)
		}
		_, err := w.at(child.Token)
		w.refuses("ended", err, badToken)
		events, err := w.Events(ctx, ada, child.ID)
		check(t, err)
		if names(events) != "created inherited_RT MT_created revoked" {
			t.Errorf("events: %s", names(events))
		}
		check(t, w.End(ctx, identity.System(), root.ID, true))
		if len(w.ended) != 1 || w.ended[0] != id {
			t.Errorf("ended: %v", w.ended)
		}
		if w.audited("subgrant.create") != 3 || w.audited("subgrant.revoke") != 2 {
			t.Errorf("audited %d and %d", w.audited("subgrant.create"), w.audited("subgrant.revoke"))
		}
	})
}

func names(events []delegation.Event) string {
	var s []string
	for _, e := range events {
		s = append(s, e.Name)
	}
	return strings.Join(s, " ")
}
