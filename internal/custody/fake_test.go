package custody_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/material"
)

// fake is a provider whose refresh tokens rotate: the use of an old one ends the family.
type fake struct {
	name string

	mu       sync.Mutex
	life     time.Duration // of access tokens
	idle     time.Duration // of refresh tokens; 0: for ever
	grace    time.Duration // in which the token before still works
	took     time.Duration // by each refresh
	subject  string
	polls    bool // approvals are polled for
	approved bool
	declined bool // who is asked says no
	barren   bool // gives no refresh token
	wide     bool // ignores the scopes that it is asked for
	// fault says what happens to the nth refresh, before the provider sees it, and after.
	before, after func(n int) error
	revoking      func(n int) (string, error)

	byToken map[material.Secret]*family
	now     int // requests under way
	seen
}

// seen is what a provider has seen so far.
type seen struct {
	n         int // requests
	families  []*family
	refreshed []string // families in the order of their refreshes
	reused    int
	parallel  int // refreshes of one family at once
	most      int // requests at once
	revoked   []material.Secret
	asked     []grant.Wish
}

func (f *fake) see() seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen
	s.families, s.refreshed, s.revoked, s.asked = slices.Clone(s.families), slices.Clone(s.refreshed), slices.Clone(s.revoked), slices.Clone(s.asked)
	return s
}

// family is what the provider knows of one approval.
type family struct {
	name      string
	current   material.Secret
	previous  material.Secret
	rotated   time.Time
	usedAt    time.Time
	dead      bool
	under     int // requests under way
	refreshes int
}

func newFake(name string) *fake {
	return &fake{name: name, life: time.Hour, subject: "anna", byToken: map[material.Secret]*family{}}
}

// set changes f while custody works with it.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) fresh(fam *family) grant.Tokens {
	fam.refreshes++
	fam.previous, fam.rotated, fam.usedAt = fam.current, time.Now(), time.Now()
	fam.current = material.Secret(fmt.Sprintf("refresh-%s-%d", fam.name, fam.refreshes))
	f.byToken[fam.current] = fam
	return f.answer(fam)
}

func (f *fake) answer(fam *family) grant.Tokens {
	t := grant.Tokens{Access: material.Secret(fmt.Sprintf("access-%s-%d", fam.name, fam.refreshes)), Refresh: fam.current,
		AccessExpiresAt: time.Now().Add(f.life).UTC().Truncate(time.Second), Subject: f.subject}
	if f.idle > 0 {
		t.RefreshExpiresAt = time.Now().Add(f.idle).UTC().Truncate(time.Second)
	}
	return t
}

// grantFamily is an approval.
func (f *fake) grantFamily() grant.Tokens {
	fam := &family{name: fmt.Sprintf("%s-%d", f.name, len(f.families))}
	f.families = append(f.families, fam)
	t := f.fresh(fam)
	if f.barren {
		t.Refresh = ""
	}
	return t
}

func (f *fake) Begin(_ context.Context, w grant.Wish, _ provider.Hint) (provider.Approval, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	state := fmt.Sprintf("state-%s-%d", f.name, f.n)
	f.asked = append(f.asked, w)
	a := provider.Approval{URL: "https://" + f.name + ".test/authorize?state=" + state, State: state, Data: []byte("verifier"), ExpiresAt: time.Now().Add(10 * time.Minute)}
	if f.polls {
		a.State, a.Interval = "", 5*time.Second
	}
	return a, nil
}

func (f *fake) Finish(_ context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case answer.Get("error") == "access_denied":
		return grant.Tokens{}, fault.New(fault.Denied, "you declined at %s", f.name).WithCause(grant.ErrDeclined)
	case answer.Get("error") != "":
		return grant.Tokens{}, fault.New(fault.Denied, "%s refused: %s", f.name, answer.Get("error"))
	case string(data) != "verifier" || answer.Get("code") != "good":
		return grant.Tokens{}, fault.New(fault.Denied, "%s did not confirm the approval", f.name)
	}
	return f.grantFamily(), nil
}

func (f *fake) Poll(_ context.Context, data []byte) (grant.Tokens, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	switch {
	case f.declined:
		return grant.Tokens{}, fault.New(fault.Denied, "you declined at %s", f.name).WithCause(grant.ErrDeclined)
	case !f.approved:
		return grant.Tokens{}, grant.ErrPending
	}
	return f.grantFamily(), nil
}

func (f *fake) Refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, error) {
	n, took, before, after := f.arrive(refresh)
	defer f.depart(refresh)
	if before != nil {
		if err := before(n); err != nil {
			return grant.Tokens{}, err
		}
	}
	if took > 0 {
		timer := time.NewTimer(took)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return grant.Tokens{}, &grant.Refusal{Class: grant.Again, Err: ctx.Err()}
		}
	}
	got, err := f.refresh(refresh, w)
	if err == nil && after != nil {
		err = after(n)
	}
	if err != nil {
		return grant.Tokens{}, err
	}
	return got, nil
}

func (f *fake) arrive(refresh material.Secret) (n int, took time.Duration, before, after func(int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.now++
	f.most = max(f.most, f.now)
	if fam := f.byToken[refresh]; fam != nil {
		if fam.under++; fam.under > 1 {
			f.parallel++
		}
	}
	return f.n, f.took, f.before, f.after
}

func (f *fake) depart(refresh material.Secret) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	if fam := f.byToken[refresh]; fam != nil {
		fam.under--
	}
}

func (f *fake) refresh(refresh material.Secret, w grant.Wish) (grant.Tokens, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, w)
	dead := &grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "grant request is invalid", Status: 400}
	fam := f.byToken[refresh]
	switch {
	case fam == nil || fam.dead:
		return grant.Tokens{}, dead
	case refresh != fam.current && refresh == fam.previous && time.Since(fam.rotated) < f.grace:
		return f.answer(fam), nil
	case refresh != fam.current:
		f.reused++
		fam.dead = true
		return grant.Tokens{}, dead
	case f.idle > 0 && time.Since(fam.usedAt) >= f.idle:
		return grant.Tokens{}, dead
	}
	f.refreshed = append(f.refreshed, fam.name)
	t := f.fresh(fam)
	t.Scopes = w.Scopes
	if f.wide {
		t.Scopes = []string{"openid", "storage.read:/", "storage.modify:/"}
	}
	return t, nil
}

func (f *fake) Revoke(_ context.Context, refresh material.Secret) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.revoked = append(f.revoked, refresh)
	if f.revoking != nil {
		return f.revoking(len(f.revoked))
	}
	if fam := f.byToken[refresh]; fam != nil {
		fam.dead = true
	}
	return f.name + " confirmed it", nil
}

// Refusals as providers make them.
func down(int) error { return &grant.Refusal{Class: grant.Again, Unsent: true} }

func lostAnswer(int) error { return &grant.Refusal{Class: grant.Again} }
