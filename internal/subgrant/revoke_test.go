package subgrant_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/material"
)

// revoke revokes and expects the refusal; "" for none.
func (w *world) revoke(name string, token material.Secret, v subgrant.RevokeWish, want string) *subgrant.Issued {
	w.t.Helper()
	update, err := w.Revoke(w.t.Context(), token, v, here)
	switch {
	case want != "":
		w.refuses(name, err, want)
	case err != nil:
		w.t.Errorf("%s: %v", name, err)
	}
	return update
}

func TestRevokeAlone(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["AT","create_mytoken"],"restrictions":[{"usages_AT":3}]}`)
		child := w.derive(root, `{"capabilities":["AT","create_mytoken"]}`)
		grandchild := w.derive(child, `{"capabilities":["AT"]}`)
		w.works("one use", child)
		w.revoke("the child", child.Token, subgrant.RevokeWish{}, "")
		_, err := w.at(child.Token)
		w.refuses("revoked", err, badToken)
		w.revoke("again", child.Token, subgrant.RevokeWish{}, "")
		w.works("what was made from it lives on", grandchild)
		w.works("and so does what it was made from", root)
		// Uses go on counting with those above, also with the one that ended.
		_, err = w.at(grandchild.Token)
		w.refuses("three in all", err, restricted)
		if len(w.ended) != 0 {
			t.Error("the grant ended while somebody holds it")
		}
		w.revoke("the root", root.Token, subgrant.RevokeWish{}, "")
		if len(w.ended) != 0 {
			t.Error("the grant ended while a grandchild holds it")
		}
		w.revoke("the last", grandchild.Token, subgrant.RevokeWish{}, "")
		if len(w.ended) != 1 {
			t.Error("nobody holds the grant, and it goes on")
		}
	})
}

func TestRevokeRecursively(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["AT","create_mytoken"]}`)
		child := w.derive(root, `{}`)
		grandchild, sibling := w.derive(child, `{"response_type":"short_token"}`), w.derive(root, `{}`)
		lifted := w.derive(grandchild, `{}`)
		w.revoke("one in the middle", grandchild.Token, subgrant.RevokeWish{}, "")
		w.revoke("the child", child.Token, subgrant.RevokeWish{Recursive: true}, "")
		for name, i := range map[string]subgrant.Issued{"child": child, "lifted": lifted} {
			_, err := w.at(i.Token)
			w.refuses(name, err, badToken)
		}
		_, err := w.at(grandchild.Token)
		w.refuses("short", err, "invalid_token: token contains an invalid number of segments")
		w.works("sibling", sibling)
		w.works("root", root)
		w.revoke("all", root.Token, subgrant.RevokeWish{Recursive: true}, "")
		_, err = w.at(sibling.Token)
		w.refuses("sibling", err, badToken)
		if len(w.ended) != 1 {
			t.Errorf("ended: %v", w.ended)
		}
	})
}

func TestRevokeByID(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["AT","create_mytoken"],"rotation":{"on_other":true}}`)
		a, err := w.Derive(t.Context(), root.Token, w.wish(`{"capabilities":["AT"]}`), here)
		check(t, err)
		root = *a.Update
		b, err := w.Derive(t.Context(), root.Token, w.wish(`{"capabilities":["AT"]}`), here)
		check(t, err)
		root = *b.Update
		manager := w.root(`{"capabilities":["manage_mytokens:revoke"]}`)
		w.revoke("a sibling", a.Token, subgrant.RevokeWish{ID: b.ID},
			"insufficient_capabilities: The provided token is neither a parent of the token to be revoked nor does it have the 'manage_mytokens:revoke' capability")
		w.revoke("unknown", root.Token, subgrant.RevokeWish{ID: "nope"}, "invalid_grant: The provided token cannot be used to revoke this mom_id")
		w.revoke("wrong issuer", root.Token, subgrant.RevokeWish{ID: a.ID, Issuer: "https://x"}, "invalid_request: token not for specified issuer")
		w.works("still", a)
		update := w.revoke("a child", root.Token, subgrant.RevokeWish{ID: a.ID}, "")
		if update == nil || says(t, update.Token)["seq_no"] != 4.0 {
			t.Errorf("update: %+v", update)
		}
		_, err = w.at(a.Token)
		w.refuses("revoked", err, badToken)
		if update := w.revoke("anybody's of the account", manager.Token, subgrant.RevokeWish{ID: root.ID, Recursive: true}, ""); update != nil {
			t.Errorf("update: %+v", update)
		}
		for name, i := range map[string]subgrant.Issued{"root": *update, "child": b} {
			_, err := w.at(i.Token)
			w.refuses(name, err, badToken)
		}
		if len(w.ended) != 1 {
			t.Errorf("the last token was revoked by id, and the grant goes on: %v", w.ended)
		}
		// Another person's tokens are as if they were not there.
		theirs, err := w.Start(t.Context(), w.wish(`{"oidc_issuer":"https://op.example.org"}`), here)
		check(t, err)
		redirect, err := w.Accept(t.Context(), ben, theirs.ConsentCode.Reveal(), w.wish(`{"response_type":""}`))
		check(t, err)
		w.approve(grantOf(redirect))
		i, err := w.Poll(t.Context(), theirs.PollingCode, here)
		check(t, err)
		w.revoke("another person's", manager.Token, subgrant.RevokeWish{ID: i.ID}, "invalid_grant: The provided token cannot be used to revoke this mom_id")
	})
}

func TestRevokingWhatNeedsNone(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"restrictions":[{"exp":"+1h"}]}`)
		w.revoke("none", "", subgrant.RevokeWish{}, "invalid_request: no token given")
		w.revoke("garbage", material.Secret(strings.Repeat("x", 70)), subgrant.RevokeWish{}, "")
		w.revoke("a short code", "abc", subgrant.RevokeWish{}, "")
		w.revoke("forged", i.Token[:len(i.Token)-4]+"AAAA", subgrant.RevokeWish{}, "")
		w.revoke("wrong issuer", i.Token, subgrant.RevokeWish{Issuer: "https://x"}, "invalid_request: token not for specified issuer")
		w.works("still", i)
		w.move(2 * time.Hour)
		w.revoke("expired", i.Token, subgrant.RevokeWish{}, "")
		if len(w.ended) != 1 {
			t.Error("the grant of an expired token goes on")
		}
	})
}

func TestRevokingCodes(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["AT","create_mytoken"]}`)
		sole := w.derive(root, `{"response_type":"transfer_code"}`)
		w.revoke("a code that nobody has redeemed", sole.Code, subgrant.RevokeWish{}, "")
		_, err := w.Redeem(t.Context(), sole.Code, here)
		w.refuses("redeemed", err, badCode)
		if _, err := w.store.Chain(t.Context(), sole.ID); err != nil {
			t.Error(err)
		}
		trees, err := w.Tree(t.Context(), ada, w.grantOf(root))
		if err != nil || len(trees) != 1 {
			t.Errorf("its token lives on: %v, %v", trees, err)
		}
		code, err := w.Transfer(t.Context(), root.Token, here)
		check(t, err)
		w.revoke("a code for a token that somebody has", code.Code, subgrant.RevokeWish{}, "")
		_, err = w.Redeem(t.Context(), code.Code, here)
		w.refuses("redeemed", err, badCode)
		w.works("the token", root)
	})
}

func TestAGrantThatCannotBeEndedNowIsEndedLater(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{}`)
		grants := w.Grants
		w.Grants = brokenGrants{grants}
		w.revoke("the last", root.Token, subgrant.RevokeWish{}, "")
		if err := w.Sweep(t.Context()); err == nil {
			t.Error("nobody hears of it")
		}
		w.Grants = grants
		check(t, w.Sweep(t.Context()))
		if len(w.ended) != 1 {
			t.Errorf("ended: %v", w.ended)
		}
		check(t, w.Sweep(t.Context()))
		if len(w.ended) != 1 {
			t.Errorf("ended again: %v", w.ended)
		}
	})
}

type brokenGrants struct{ subgrant.Grants }

func (brokenGrants) EndGrant(context.Context, identity.Actor, string) error {
	return errors.New("database is away")
}

func TestSweepEndsWhatExpiredAndForgets(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		i := w.root(`{"restrictions":[{"exp":"+1h"}]}`)
		w.move(time.Hour)
		check(t, w.Sweep(t.Context()))
		if len(w.ended) != 1 {
			t.Errorf("ended: %v", w.ended)
		}
		events, err := w.Events(t.Context(), ada, i.ID)
		if err != nil || names(events) != "created expired" {
			t.Errorf("events: %s, %v", names(events), err)
		}
		w.move(31 * 24 * time.Hour)
		check(t, w.Sweep(t.Context()))
		if _, err := w.Events(t.Context(), ada, i.ID); err == nil {
			t.Error("it is remembered for ever")
		}
		if _, err := w.at(i.Token); err == nil || !strings.HasPrefix(err.Error(), "invalid_token: token is expired by") {
			t.Errorf("its token: %v", err)
		}
	})
}

func TestIntrospect(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"name":"x","capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"exp":"+1d","scope":"openid","usages_AT":2},{"exp":"+2d"}]}`)
		w.works("used", root)
		got, err := w.Introspect(ctx, root.Token, here)
		check(t, err)
		if got.ID != root.ID || got.Form != "token" || !strings.Contains(string(got.Token), `"restrictions":[{"exp":1795348800,"scope":"openid","usages_AT":2,"usages_AT_done":1,"usages_other_done":0},{"exp":1795435200,"usages_AT_done":0,"usages_other_done":0}]`) {
			t.Errorf("got %s", got.Token)
		}
		short := w.derive(root, `{"response_type":"short_token","restrictions":[{"exp":"+1h","usages_other":0,"scope":"openid"}]}`)
		got, err = w.Introspect(ctx, short.Token, here) // clauses do not count here
		check(t, err)
		if got.Form != "short_token" || got.ID != short.ID {
			t.Errorf("got %+v", got)
		}
		_, err = w.Introspect(ctx, w.derive(root, `{"capabilities":["AT"]}`).Token, here)
		w.refuses("not capable", err, incapable)
		w.revoke("it", short.Token, subgrant.RevokeWish{}, "")
	})
}

func TestHistoryAndTrees(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		root := w.root(`{"name":"root","capabilities":["AT","tokeninfo","create_mytoken"],"restrictions":[{"exp":"+1d"}]}`)
		child := w.derive(root, `{"name":"child","capabilities":["tokeninfo","create_mytoken"]}`)
		grandchild := w.derive(child, `{"name":"grandchild","capabilities":["tokeninfo"]}`)
		manager := w.root(`{"name":"manager","capabilities":["manage_mytokens","tokeninfo"]}`)
		_, err := w.AccessToken(ctx, root.Token, subgrant.AccessWish{Comment: "job 42"}, here)
		check(t, err)
		h, err := w.History(ctx, root.Token, nil, here)
		check(t, err)
		if names(h.Events) != "created MT_created AT_created tokeninfo_history" || h.Events[2].Comment != "Used grant_type mytoken: job 42" || h.Events[2].Address != here.Address || h.Events[2].UserAgent != here.UserAgent {
			t.Errorf("history: %+v", h.Events)
		}
		for name, c := range map[string]struct {
			token subgrant.Issued
			ids   []string
			want  string // names of sub-grants in the events, or the refusal
		}{
			"itself and below": {root, []string{"this", "children"}, "root child grandchild"},
			"below another":    {root, []string{"children@" + child.ID}, "grandchild"},
			"one by id":        {child, []string{grandchild.ID}, "grandchild"},
			"the parent":       {child, []string{root.ID}, "invalid_grant: The provided token cannot be used to obtain history for mom_id '" + root.ID + "'"},
			"unknown":          {root, []string{"nope"}, "invalid_grant: The provided token cannot be used to obtain history for mom_id 'nope'"},
			"anybody's":        {manager, []string{root.ID, "this"}, "root manager"},
		} {
			h, err := w.History(ctx, c.token.Token, c.ids, here)
			if err != nil {
				w.refuses(name, err, c.want)
				continue
			}
			seen := map[string]bool{}
			for _, e := range h.Events {
				seen[e.SubGrantID] = true
			}
			for _, i := range []subgrant.Issued{root, child, grandchild, manager} {
				if want := strings.Contains(" "+c.want+" ", " "+fmt.Sprint(says(t, i.Token)["name"])+" "); seen[i.ID] != want {
					t.Errorf("%s: %v is %t", name, says(t, i.Token)["name"], seen[i.ID])
				}
			}
		}
		subtokens, err := w.Subtokens(ctx, child.Token, here)
		check(t, err)
		list, err := w.List(ctx, manager.Token, here)
		check(t, err)
		if got := shape(subtokens.Roots); got != "child(grandchild)" {
			t.Errorf("subtokens: %s", got)
		}
		if got := shape(list.Roots); got != "root(child(grandchild)) manager" && got != "manager root(child(grandchild))" {
			t.Errorf("list: %s", got)
		}
		_, err = w.List(ctx, root.Token, here)
		w.refuses("list", err, incapable)
		_, err = w.Subtokens(ctx, w.derive(root, `{"capabilities":["AT"]}`).Token, here)
		w.refuses("subtokens", err, incapable)
		// Lists hold what is in force only.
		w.revoke("child", child.Token, subgrant.RevokeWish{}, "")
		list, err = w.List(ctx, manager.Token, here)
		check(t, err)
		if got := shape(list.Roots); !strings.Contains(got, "grandchild") || strings.Contains(got, "child(") {
			t.Errorf("list: %s", got)
		}
		w.move(24 * time.Hour)
		list, err = w.List(ctx, manager.Token, here)
		check(t, err)
		if got := shape(list.Roots); got != "manager" {
			t.Errorf("list: %s", got)
		}
		if _, err := w.Authorize(ctx, manager.Token, "read@settings:grants", "settings_grants_listed", here); err == nil || err.Error() != incapable {
			t.Errorf("settings: %v", err)
		}
	})
}

func shape(nodes []subgrant.Node) string {
	var s []string
	for _, n := range nodes {
		text := n.Name
		if len(n.Children) > 0 {
			text += "(" + shape(n.Children) + ")"
		}
		s = append(s, text)
	}
	return strings.Join(s, " ")
}

func TestOtherUsesAreCounted(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{"capabilities":["tokeninfo","create_mytoken"],"restrictions":[{"usages_other":2}]}`)
		w.derive(root, `{}`)
		if _, err := w.Derive(t.Context(), root.Token, w.wish(`{"capabilities":["settings"]}`), here); err == nil {
			t.Error("more than the parent has")
		}
		_, err := w.History(t.Context(), root.Token, nil, here)
		check(t, err) // what was refused before was no use
		_, err = w.Subtokens(t.Context(), root.Token, here)
		w.refuses("the third", err, restricted)
	})
}

func TestHistoryIsBounded(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		root := w.root(`{}`)
		for range 130 {
			w.works("use", root)
		}
		events, err := w.Events(t.Context(), ada, root.ID)
		if err != nil || len(events) != 100 || events[0].Name != "AT_created" {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}
