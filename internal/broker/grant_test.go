package broker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// providers are where grants are ordered: own needs no approval.
func providers() map[string]grant.Provider {
	return map[string]grant.Provider{
		"helmholtz": {ID: "helmholtz", Scopes: []string{"openid"}, MaxLife: 24 * hour},
		"own":       {ID: "own", Type: grant.Lanyard, Scopes: []string{"storage.read:/"}},
	}
}

// approval orders a grant of name's at a provider, which belongs to no project.
func (w *world) approval(name, provider string) credential.Credential {
	w.t.Helper()
	got, err := w.Issue(w.t.Context(), w.as(name), credential.Order{Kind: grant.Kind, Name: "jobs", Spec: grant.Spec{Provider: provider}.Encode()}, audit.Once{})
	w.check(err)
	return got.Credential
}

func TestPersonalCredentials(t *testing.T) {
	w := newWorld(t)
	c := w.approval("out", "own") // who belongs to no project
	if c.Status != credential.Active || c.ProjectID != "" || !strings.HasPrefix(c.PublicID, "GR") {
		t.Errorf("%+v", c)
	}
	_, err := w.Issue(t.Context(), w.as("ann"), credential.Order{Kind: "s3key", Name: "x"}, audit.Once{})
	refused(t, err, fault.NotFound)
	_, err = w.Issue(t.Context(), operator(), credential.Order{Kind: grant.Kind, Name: "x", Spec: c.Spec}, audit.Once{})
	refused(t, err, fault.Denied)
	for _, name := range []string{"ann", "max"} { // no role in a project makes it theirs
		_, err := w.Show(t.Context(), w.as(name), c.ID)
		refused(t, err, fault.NotFound)
	}
	if got, err := w.Extend(t.Context(), w.as("out"), c.ID, 100*hour, time.Time{}, audit.Once{}); err != nil || !got.ExpiresAt.Equal(start.Add(100*hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = w.Again(t.Context(), w.as("out"), c.ID)
	w.Reveal = true
	refused(t, err, fault.Denied)
	_, err = w.Again(t.Context(), w.as("out"), c.ID)
	refused(t, err, fault.Conflict)
	_, err = w.FreezeAccount(t.Context(), operator(), "out", "")
	w.check(err)
	if one, _, err := w.store.Credential(t.Context(), c.ID); err != nil || one.Reason != credential.AccountFrozen {
		t.Errorf("%+v, %v", one, err)
	}
	_, err = w.ThawAccount(t.Context(), operator(), "out")
	w.check(err)
	if one, err := w.Show(t.Context(), w.as("out"), c.ID); err != nil || one.Status != credential.Active {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestProvidersMayBoundGrants(t *testing.T) {
	w := newWorld(t)
	c := w.approval("ann", "helmholtz")
	if c.Status != credential.Intended || !c.ExpiresAt.Equal(start.Add(24*hour)) {
		t.Errorf("%+v", c)
	}
}

// TestWhatLingersIsNotFinishedBySweeps: the provider of a grant must be told, which is custody's.
func TestWhatLingersIsNotFinishedBySweeps(t *testing.T) {
	swept(t, func(t *testing.T, w *world) {
		ended, expiring, key := w.approval("ann", "own"), w.approval("ann", "own"), w.issue("ann", time.Minute)
		_, err := w.End(t.Context(), w.as("ann"), ended.ID, audit.Once{})
		w.check(err)
		expiring.ExpiresAt, expiring.DueAt = key.ExpiresAt, key.ExpiresAt
		_, err = w.store.SaveCredentials(t.Context(), []credential.Credential{expiring}, func(credential.Credential) audit.Change { return did() })
		w.check(err)
		<-time.After(2 * time.Minute)
		for id, want := range map[string]credential.Status{ended.ID: credential.Ending, expiring.ID: credential.Ending, key.ID: credential.Ended} {
			if one, _, err := w.store.Credential(t.Context(), id); err != nil || one.Status != want {
				t.Errorf("%s is %s, %v, want %s", one.Kind, one.Status, err, want)
			}
		}
	})
}

func TestListsShowWhatATokenCovers(t *testing.T) {
	w := newWorld(t)
	w.approval("ann", "own")
	w.issue("ann", hour)
	w.intend()
	for _, tc := range []struct {
		scopes []identity.Scope
		want   []string
	}{
		{nil, []string{"grant", "proxy", "s3key"}},
		{[]identity.Scope{identity.ReadTokens}, []string{"grant"}},
		{[]identity.Scope{identity.ReadTokens, identity.ReadKeys}, []string{"grant", "s3key"}},
		{[]identity.Scope{identity.ReadProxies, identity.ReadTokens}, []string{"grant", "proxy"}},
	} {
		by := w.as("ann")
		by.Scopes = tc.scopes
		all, err := w.ListCredentials(t.Context(), by, credential.Filter{})
		w.check(err)
		var kinds []string
		for _, c := range all {
			kinds = append(kinds, c.Kind)
		}
		if slices.Sort(kinds); !slices.Equal(kinds, tc.want) {
			t.Errorf("with %v: %v, want %v", tc.scopes, kinds, tc.want)
		}
	}
	by := w.as("ann")
	by.Scopes = []identity.Scope{identity.WriteTokens, identity.ReadProjects}
	_, err := w.ListCredentials(t.Context(), by, credential.Filter{})
	refused(t, err, fault.Denied)
}
