package subgrant_test

import (
	"testing"

	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// The owner is told of a replay once, however often and wherever the old token is shown.
func TestReplayIsToldOnce(t *testing.T) {
	w := newWorld(t, store.Config{Keys: seal.NewKeys(), URL: postgres.NewDatabase(t)})
	servers := []*subgrant.Service{w.Service, w.second()}
	root := w.root(`{"name":"jobs","rotation":{"on_AT":true,"auto_revoke":true}}`)
	if _, err := w.at(root.Token); err != nil {
		t.Fatal(err)
	}
	given := atOnce(8, func(i int) error {
		_, err := servers[i%2].AccessToken(t.Context(), root.Token, subgrant.AccessWish{}, here)
		return err
	}, func(err error) { w.refuses("replayed", err, badToken) })
	told, err := w.store.Notices(t.Context(), ada.AccountID)
	check(t, err)
	if given != 0 || len(told) != 1 || told[0].Kind != notice.Replayed || told[0].Name != "jobs" || told[0].Address != here.Address || w.audited("subgrant.revoke") != 1 {
		t.Errorf("%d were given; told %+v", given, told)
	}
	// Who ends a token themselves is told nothing.
	other := w.root(`{"name":"other"}`)
	_, err = w.Revoke(t.Context(), other.Token, subgrant.RevokeWish{}, here)
	check(t, err)
	if told, err := w.store.Notices(t.Context(), ada.AccountID); err != nil || len(told) != 1 {
		t.Errorf("told %+v, %v", told, err)
	}
}
