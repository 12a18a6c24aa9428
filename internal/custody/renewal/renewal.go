package renewal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/notice"
	"github.com/lanyardhq/lanyard/material"
)

// Store is what is needed of a database; see custody.
type Store interface {
	Grant(ctx context.Context, id string) (credential.Credential, grant.Family, error)
	Attempt(ctx context.Context, f grant.Family, now time.Time, lease time.Duration) (grant.Family, error)
	SaveRenewal(ctx context.Context, f grant.Family, ownerID string, k *grant.Kept, died *notice.Deed) error
}

// Client makes exactly one request.
type Client interface {
	Refresh(ctx context.Context, refresh material.Secret, w grant.Wish) (grant.Tokens, error)
}

// Renewal is one refresh by who has the lease of the family, whose attempt is written down. The order
// of its steps is what keeps families alive: request, store, and only then somebody sees the token.
type Renewal struct {
	grant.Claim
	Store  Store
	At     *Site
	Client Client
	Wish   grant.Wish
	UsedAt time.Time        // when somebody last asked for such a token
	Now    func() time.Time // whole seconds, UTC

	// Verdict is what it told about the provider, and RetryAfter how long that wants to be left alone.
	Verdict    Verdict
	RetryAfter time.Duration
}

const (
	// Lease is how long a refresh keeps other servers out: longer than its request may take.
	Lease = 20 * time.Second
	// Deadline is for one request with its answer.
	Deadline = 12 * time.Second
	// SaveLife is how long we try to write down what a provider gave us; nothing else has it.
	SaveLife = time.Minute
)

const (
	// slowest is the longest pause between two tries for a family of a provider that answers others.
	slowest = time.Minute
	// asks is the pause after a refusal that the operator must see to.
	asks = 30 * time.Second
)

// Run refreshes and writes down how it ended.
func (r *Renewal) Run(ctx context.Context) error {
	sent := r.Family.Refresh
	spec, err := grant.ParseSpec(r.Credential.Spec)
	if err != nil {
		return err
	}
	ask, err := r.At.Ask(spec, r.Wish)
	if err != nil { // it was narrowed meanwhile; nothing is sent
		return errors.Join(err, r.GiveBack(ctx))
	}
	got, err := r.request(ctx, sent, ask)
	if lost(err) && r.Family.Attempts == 1 {
		// The provider may have replaced the token and we have not got the new one. Now, and by no
		// means later, the old one may still be good: the provider did not hear us, does not replace
		// tokens, or bears with this for a while.
		if r.Family, err = r.Store.Attempt(ctx, r.Family, r.Now(), Lease); err != nil {
			return err
		}
		got, err = r.request(ctx, sent, ask)
	}
	if err != nil {
		return r.failed(ctx, sent, err)
	}
	return r.succeeded(ctx, sent, got)
}

// request sends the one request, which nobody's departure cuts short.
func (r *Renewal) request(ctx context.Context, sent material.Secret, ask grant.Wish) (grant.Tokens, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Deadline)
	defer cancel()
	return r.Client.Refresh(ctx, sent, ask)
}

// lost reports whether the provider may have granted what we did not get to know.
func lost(err error) bool {
	if err == nil {
		return false
	}
	refusal, ok := errors.AsType[*grant.Refusal](err)
	if !ok {
		return true
	}
	unclear := refusal.Status == 0 || refusal.Status/100 == 2 || refusal.Status == http.StatusBadGateway || refusal.Status == http.StatusGatewayTimeout
	return !refusal.Unsent && unclear && refusal.Class == grant.Again
}

func (r *Renewal) succeeded(ctx context.Context, sent material.Secret, got grant.Tokens) error {
	now := r.Now()
	r.Verdict = Answers
	f := &r.Family
	if got.Refresh != "" {
		f.Refresh = got.Refresh
	}
	f.Outlives(got.RefreshExpiresAt, now)
	if f.Health != grant.Fine {
		f.Health, f.HealthSince, f.Detail = grant.Fine, now, ""
	}
	f.Failures, f.Renewals, f.RenewedAt = 0, f.Renewals+1, now
	f.LeaseUntil, f.AttemptAt, f.Attempts = time.Time{}, time.Time{}, 0
	if over := r.beyond(got.Scopes); over != "" {
		r.Plan(now)
		return errors.Join(fault.New(fault.Conflict, "%s gave more than was asked for (%s), so the token is not handed out", r.At.Name(), over).
			WithHint("ask for all that the grant has, or have a grant approved for less"), r.save(ctx, sent, nil, nil))
	}
	got.Subject = f.Subject
	k := grant.Keep(got, r.Wish, now, r.UsedAt)
	r.Put(k)
	r.Plan(now)
	return r.save(ctx, sent, &k, nil)
}

// beyond returns a scope that was granted to a wish for less, and not wished for. Providers add some
// by themselves that open nothing.
func (r *Renewal) beyond(granted []string) string {
	spec, err := grant.ParseSpec(r.Credential.Spec)
	if err != nil || len(r.Wish.Scopes) == 0 && !spec.Narrowed {
		return ""
	}
	wished := r.Wish.Scopes
	if len(wished) == 0 {
		wished = spec.Scopes
	}
	for _, scope := range granted {
		if !slices.Contains(wished, scope) && !slices.Contains([]string{"openid", "offline_access", "profile", "wlcg"}, scope) {
			return scope
		}
	}
	return ""
}

func (r *Renewal) failed(ctx context.Context, sent material.Secret, why error) error {
	now := r.Now()
	f := &r.Family
	refusal, ok := errors.AsType[*grant.Refusal](why)
	if !ok {
		refusal = &grant.Refusal{Class: grant.Again, Err: why}
	}
	f.LeaseUntil = time.Time{}
	if !lost(why) { // it is known how this one ended
		f.Attempts--
	}
	if f.Attempts == 0 {
		f.AttemptAt = time.Time{}
	}
	switch {
	case refusal.Class == grant.Dead:
		return r.died(ctx, sent, refusal)
	case refusal.OfWish() && len(r.Wish.Scopes)+len(r.Wish.Audiences) > 0:
		r.Verdict = Answers
		r.Plan(now)
		return errors.Join(fault.New(fault.Denied, "%s does not make such a token: %s", r.At.Name(), refusal.Error()).
			WithHint("ask for other scopes or audiences"), r.save(ctx, sent, nil, nil))
	}
	f.Failures++
	health, pause := grant.Retrying, r.pause()
	r.Verdict, r.RetryAfter = Fails, refusal.RetryAfter
	message := fault.New(fault.Unavailable, "%s gives no new token now: %s", r.At.Name(), refusal.Error()).WithHint("try again later; nothing needs to be approved anew").WithCause(why)
	if refusal.Class == grant.Operator {
		health, pause, r.Verdict = grant.NeedsOperator, max(pause, asks), Rejected
		message = message.WithHint("tell the people who run this server")
	}
	if f.Health != health {
		f.Health, f.HealthSince = health, now
	}
	f.Detail = grant.Clean(refusal.Error(), 300)
	if !f.DueAt.IsZero() {
		f.DueAt = now.Add(pause)
	}
	message.RetryAfter = max(pause, refusal.RetryAfter)
	return errors.Join(message, r.save(ctx, sent, nil, nil))
}

// pause is how long to leave the family alone. Where the provider is down for all, that is for the
// provider's breaker to say, and the family keeps its place in the queue.
func (r *Renewal) pause() time.Duration {
	if r.At.failing() {
		return time.Second
	}
	pause := min(time.Second<<min(r.Family.Failures, 10), slowest)
	return pause + rand.N(pause/4+1) //nolint:gosec // spreads load
}

// died writes down that the person must sign in again, and tells them.
func (r *Renewal) died(ctx context.Context, sent material.Secret, refusal *grant.Refusal) error {
	now := r.Now()
	r.Verdict = Answers
	f := &r.Family
	f.Health, f.HealthSince, f.Detail = grant.NeedsSignIn, now, grant.Clean(refusal.Error(), 300)
	f.Failures, f.Attempts, f.AttemptAt = f.Failures+1, 0, time.Time{}
	f.DueAt, f.RunsOutAt = time.Time{}, time.Time{}
	record := audit.By(identity.System(), now, "grant.needs_sign_in", r.Credential.ID, r.Credential.ProjectID).
		With("name", r.Credential.Name).With("provider", f.Provider).With("answer", f.Detail)
	message := fault.New(fault.Conflict, "%s refuses this grant: %s", r.At.Name(), f.Detail).WithHint("sign in again: lanyard token approve %s", f.Provider)
	told := notice.OfGrant(r.Credential, r.At.Name(), now)
	return errors.Join(message, r.save(ctx, sent, nil, &notice.Deed{Record: record, Notice: told}))
}

// GiveBack ends a claim for which nothing was sent.
func (r *Renewal) GiveBack(ctx context.Context) error {
	f := &r.Family
	f.LeaseUntil = time.Time{}
	if f.Attempts--; f.Attempts == 0 {
		f.AttemptAt = time.Time{}
	}
	r.Plan(r.Now())
	return r.save(ctx, f.Refresh, nil, nil)
}

// save writes the outcome, whoever waits for it, also while the database is away for a while.
func (r *Renewal) save(ctx context.Context, sent material.Secret, k *grant.Kept, died *notice.Deed) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), SaveLife)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := r.Store.SaveRenewal(ctx, r.Family, r.Credential.OwnerID, k, died)
		if errors.Is(err, fault.ErrStale) {
			err, k = r.overtaken(ctx, sent), nil // the grant may have been narrowed: this token is not kept
		}
		if err == nil || errors.Is(err, fault.ErrStale) || fault.CodeOf(err) == fault.NotFound {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("what %s gave for %s is lost: %w", r.Family.Provider, r.Family.GrantID, err)
		}
	}
}

// overtaken looks who wrote the family meanwhile. If that left the refresh token as it was when we
// sent it, ours comes after it. If not, somebody approved anew, and ours is of no use.
func (r *Renewal) overtaken(ctx context.Context, sent material.Secret) error {
	_, f, err := r.Store.Grant(ctx, r.Family.GrantID)
	switch {
	case err != nil:
		return err
	case f.Refresh != sent || f.Generation == r.Family.Generation:
		return fmt.Errorf("refresh of %s: %w", r.Family.GrantID, fault.ErrStale)
	}
	r.Family.Generation = f.Generation
	return fault.New(fault.Unavailable, "another server wrote the family")
}
