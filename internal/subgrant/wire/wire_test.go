package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
)

// What holders of tokens read of our failures, and that nothing internal is among it.
func TestRefusal(t *testing.T) {
	again := fault.New(fault.Limited, "too many")
	again.RetryAfter = time.Minute
	for want, err := range map[string]error{
		"401 invalid_token":                                         fault.New(fault.NotFound, "no such sub-grant"),
		"429 too_many_requests: too many":                           again,
		"400 invalid_request: there are 1000":                       fault.New(fault.Limited, "there are 1000"),
		"400 invalid_request: not yours":                            fault.New(fault.Denied, "not yours"),
		"500 internal_server_error: does not answer":                fmt.Errorf("read: %w", fault.New(fault.Unavailable, "does not answer")),
		"428 authorization_pending":                                 wire.Pending(),
		"500 internal_server_error: internal error":                 errors.New("SELECT failed"),
		"400 oidc_error: invalid_grant: over":                       wire.OfProvider(&grant.Refusal{Class: grant.Dead, Code: "invalid_grant", Description: "over", Status: 400}),
		"400 oidc_error: temporarily_unavailable":                   wire.OfProvider(fault.New(fault.Unavailable, "x").WithCause(&grant.Refusal{Class: grant.Again, Code: "temporarily_unavailable", Status: 503})),
		"500 internal_server_error: the provider cannot be reached": wire.OfProvider(&grant.Refusal{Class: grant.Again, Unsent: true, Err: errors.New("dial tcp 10.0.0.1")}),
		"400 oidc_error: invalid_scope: more":                       wire.OfProvider(fault.New(fault.Denied, "more")),
		"400 oidc_error: invalid_grant: sign in":                    wire.OfProvider(fault.New(fault.Conflict, "sign in")),
		"500 internal_server_error: nobody is there":                wire.OfProvider(fault.New(fault.Unavailable, "nobody is there")),
	} {
		e, internal := wire.Refusal(err)
		if got := fmt.Sprintf("%d %s", e.Status, e); got != want || internal != (want == "500 internal_server_error: internal error") {
			t.Errorf("%v: got %s, internal %t; want %s", err, got, internal, want)
		}
		if e.Status == 429 && e.RetryAfter != time.Minute {
			t.Errorf("to come again after %s", e.RetryAfter)
		}
	}
}

func TestCodes(t *testing.T) {
	g := delegation.SubGrant{ID: "sgr_1", Seq: 3}
	now := time.Unix(1_795_262_400, 0)
	flow, sum := wire.NewCode()
	short, s := wire.Short(g)
	transfer, c := wire.Transfer(g, delegation.FormShort, now)
	if len(short.Reveal()) < wire.MinToken || len(flow.Reveal()) >= wire.MinToken || len(transfer.Reveal()) >= wire.MinToken {
		t.Errorf("of %d, %d and %d letters: they cannot be told apart", len(short.Reveal()), len(flow.Reveal()), len(transfer.Reveal()))
	}
	if !bytes.Equal(sum, wire.Hash(flow)) || !bytes.Equal(s.Hash, wire.Hash(short)) || !bytes.Equal(c.Hash, wire.Hash(transfer)) {
		t.Error("a hash is of something else")
	}
	if s.Purpose != delegation.ForShort || !s.ExpiresAt.IsZero() || c.Purpose != delegation.ForTransfer || !c.ExpiresAt.Equal(now.Add(5*time.Minute)) || c.Seq != 3 || c.SubGrantID != g.ID || c.Form != delegation.FormShort {
		t.Errorf("%+v, %+v", s, c)
	}
}
