package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/sigv4"
)

// A creation is how fast keys are made over the API, each with its audit record on disk and known
// to the gateway.
type creation struct {
	Clients int
	Rate    float64 // per second
}

func creations(ctx context.Context, l *lanyard, quick bool) (all []creation, err error) {
	each := 4 * time.Second
	if quick {
		each = time.Second
	}
	for _, clients := range []int{1, 16} {
		rate, err := createFor(ctx, l, clients, each)
		if err != nil {
			return nil, err
		}
		all = append(all, creation{clients, rate})
	}
	return all, nil
}

func createFor(ctx context.Context, l *lanyard, clients int, each time.Duration) (rate float64, err error) {
	var made atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, clients)
	began := time.Now()
	for n := range clients {
		wg.Go(func() {
			for time.Since(began) < each && errs[n] == nil {
				_, errs[n] = l.create(ctx, "rate")
				made.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(made.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// A revocation is what clients that loop on HEAD see when their key is deleted.
type revocation struct {
	Keys int
	// Refused is the time from the acknowledgement until the last of the clients has seen its
	// first refusal, sorted; 0 if all had by then. It includes the request that is refused.
	Refused []time.Duration
	// Deletion is the time that the deletion took, sorted.
	Deletion []time.Duration
	// Late counts requests that were begun after the acknowledgement and served all the same.
	Late int
}

func revocations(ctx context.Context, l *lanyard, quick bool) (r revocation, err error) {
	r.Keys = 50
	if quick {
		r.Keys = 10
	}
	for range r.Keys {
		key, err := l.create(ctx, "revoke")
		if err != nil {
			return r, err
		}
		if err := r.revoke(ctx, l, key); err != nil {
			return r, err
		}
	}
	slices.Sort(r.Refused)
	slices.Sort(r.Deletion)
	return r, nil
}

// loopers is how many clients use a key while it is deleted.
const loopers = 4

func (r *revocation) revoke(ctx context.Context, l *lanyard, key api.Credential) error {
	t := l.target
	t.AccessKey, t.SecretKey = key.AccessKeyID, key.SecretAccessKey.Reveal()
	var wg, working sync.WaitGroup
	var seen [loopers]struct {
		accepted, refused time.Time // begin of the last request that was served, end of the first that was not
		err               error
	}
	working.Add(loopers)
	for n := range seen {
		wg.Go(func() {
			s := &seen[n]
			s.accepted, s.refused, s.err = headUntilRefused(t, sync.OnceFunc(working.Done))
		})
	}
	working.Wait()
	began := time.Now()
	_, err := l.api.DeleteCredential(ctx, key.ID)
	acknowledged := time.Now()
	wg.Wait()
	var late time.Duration
	for _, s := range seen {
		err = errors.Join(err, s.err)
		late = max(late, s.refused.Sub(acknowledged))
		if s.accepted.After(acknowledged) {
			r.Late++
		}
	}
	r.Refused = append(r.Refused, late)
	r.Deletion = append(r.Deletion, acknowledged.Sub(began))
	return err
}

// headUntilRefused asks for an object until it gets it no more, and calls working after the first
// answer.
func headUntilRefused(t target, working func()) (accepted, refused time.Time, err error) {
	defer working()
	c, err := dial(t.Address)
	if err != nil {
		return accepted, refused, err
	}
	defer c.Close()
	head, err := t.request(t.signer(), http.MethodHead, listBucket+"/"+listedKey(0), "", sigv4.EmptyPayload, 0)
	if err != nil {
		return accepted, refused, err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		began := time.Now()
		_, status, err := c.exchange(head, nil, nil)
		switch {
		case err != nil:
			return accepted, refused, err
		case status == http.StatusForbidden:
			return accepted, time.Now(), nil
		case status != http.StatusOK:
			return accepted, refused, fmt.Errorf("HEAD: status %d", status)
		}
		accepted = began
		working()
	}
	return accepted, refused, errors.New("the deleted key was honoured for 10 s")
}

// percentile of sorted durations.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}
