package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/material"
)

// usualLife is how long a mytoken shall live if nobody says.
const usualLife = 30 * 24 * time.Hour

// capabilities are those of our mytokens: access tokens, and to look at itself.
var capabilities = []string{"AT", "tokeninfo:introspect"}

// polling is what must be remembered while somebody approves at a mytoken server.
type polling struct {
	Code     string    `json:"polling_code"`
	Until    time.Time `json:"until"`    // of the code
	Lifetime time.Time `json:"lifetime"` // of the mytoken
	grant.Wish
}

func (m *mytoken) begin(ctx context.Context, w grant.Wish, hint Hint) (Approval, error) {
	s, refusal := m.found.get(ctx)
	if refusal != nil {
		return Approval{}, unavailable(m.Provider, refusal)
	}
	if len(w.Scopes) == 0 {
		w.Scopes = m.Scopes
	}
	if len(w.Audiences) == 0 {
		w.Audiences = m.Audiences
	}
	now := m.wire.now()
	life := cmp.Or(hint.Life, m.MaxLife, usualLife)
	if m.MaxLife > 0 {
		life = min(life, m.MaxLife)
	}
	p := polling{Wish: w, Lifetime: now.Add(life).UTC().Truncate(time.Second)}
	a, refusal := m.post(ctx, s.MyToken, map[string]any{"grant_type": "oidc_flow", "oidc_flow": "authorization_code", "client_type": "native",
		"oidc_issuer": m.UpstreamIssuer, "name": cmp.Or(hint.Name, "Lanyard"), "application_name": "Lanyard", "response_type": "token",
		"capabilities": capabilities, "restrictions": []restriction{p.clause()}})
	if refusal != nil {
		return Approval{}, unavailable(m.Provider, refusal)
	}
	if a.status != http.StatusOK {
		refusal = m.refused(a, "")
		return Approval{}, unavailable(m.Provider, refusal)
	}
	var flow struct {
		URI      string  `json:"consent_uri"`
		Code     string  `json:"polling_code"`
		Expires  seconds `json:"expires_in"`
		Interval seconds `json:"interval"`
	}
	err := json.Unmarshal(a.body, &flow)
	if err == nil && flow.Code == "" {
		err = errors.New("there is no polling code")
	}
	if err == nil {
		err = grant.CheckEndpoint(flow.URI)
	}
	if err != nil {
		return Approval{}, unavailable(m.Provider, unread(a, fmt.Errorf("its answer cannot be used: %w", err)))
	}
	p.Code, p.Until = flow.Code, now.Add(min(time.Duration(cmp.Or(flow.Expires, 300))*time.Second, time.Hour))
	data, err := json.Marshal(p)
	return Approval{URL: flow.URI, Data: data, ExpiresAt: p.Until,
		Interval: time.Duration(min(max(cmp.Or(flow.Interval, 5), 1), 60)) * time.Second}, err
}

// clause is the one restriction that is asked for. It names scopes always: without them the server
// would give all that it has.
func (p polling) clause() restriction {
	return restriction{Expires: p.Lifetime.Unix(), Scope: strings.Join(p.Scopes, " "), Audience: p.Audiences}
}

// finish polls: an answer is what a redirect brings, and there is none.
func (m *mytoken) finish(ctx context.Context, data []byte, answer url.Values) (grant.Tokens, error) {
	var p polling
	if err := json.Unmarshal(data, &p); err != nil {
		return grant.Tokens{}, fmt.Errorf("read the approval at %s: %w", m.ID, err)
	}
	if answer != nil {
		return grant.Tokens{}, errors.New("an approval at " + m.ID + " is polled for")
	}
	s, refusal := m.found.get(ctx)
	if refusal != nil {
		return grant.Tokens{}, refusal
	}
	a, refusal := m.post(ctx, s.MyToken, map[string]string{"grant_type": "polling_code", "polling_code": p.Code})
	if refusal != nil {
		return grant.Tokens{}, refusal
	}
	if a.status != http.StatusOK {
		return grant.Tokens{}, m.notYet(a, p)
	}
	var reply mytokenReply
	if err := json.Unmarshal(a.body, &reply); err != nil {
		return grant.Tokens{}, fault.New(fault.Denied, "%s gave no mytoken that can be used", m.Title).WithHint("approve again; if this repeats, tell the operator")
	}
	return m.accept(ctx, p, reply)
}

// notYet says why a poll gave nothing.
func (m *mytoken) notYet(a answer, p polling) error {
	r := m.refused(a, material.Secret(p.Code))
	over := !m.wire.now().Before(p.Until)
	switch {
	case (r.Code == "authorization_pending" || r.Code == "slow_down") && !over:
		return grant.ErrPending
	case r.Class == grant.Again && !over:
		return r
	case r.Code == "access_denied":
		return fault.New(fault.Denied, "you declined at %s", m.Title).WithHint("approve again, if you want to").WithCause(grant.ErrDeclined)
	case r.Code == "expired_token" || over:
		return fault.New(fault.Denied, "the approval at %s took too long", m.Title).WithHint("approve again").WithCause(r)
	case r.Code == "invalid_token": // its words for a code of which nothing will come: somebody declined behind it
		return fault.New(fault.Denied, "%s ended the approval: you declined there, or at the provider that it asks", m.Title).WithHint("approve again, if you want to").WithCause(grant.ErrDeclined)
	}
	return fault.New(fault.Denied, "%s did not approve (%s)", m.Title, r.Error()).WithHint("approve again; if this repeats, tell the operator").WithCause(r)
}

// accept judges the mytoken that came of an approval. The person can change what was asked for: to
// less, which is theirs to choose, or to more, which we do not keep.
func (m *mytoken) accept(ctx context.Context, p polling, reply mytokenReply) (grant.Tokens, error) {
	token := material.Secret(reply.MyToken)
	if token == "" || len(token) > maxToken || !printable(reply.MyToken) || reply.Type == "transfer_code" {
		return grant.Tokens{}, fault.New(fault.Denied, "%s gave no mytoken that can be used", m.Title).WithHint("approve again; if this repeats, tell the operator")
	}
	refuse := func(why string) (grant.Tokens, error) {
		f := fault.New(fault.Denied, "the mytoken that you approved at %s %s, so we revoked it", m.Title, why).WithHint("approve again, and leave the restrictions as they are, or narrower")
		if _, refusal := m.revoke(ctx, token); refusal != nil {
			f = fault.New(fault.Denied, "the mytoken that you approved at %s %s, so we do not keep it", m.Title, why).WithHint("revoke it there; then approve again, and leave the restrictions as they are, or narrower").WithCause(refusal)
		}
		return grant.Tokens{}, f
	}
	if !slices.Contains(reply.Capabilities, "AT") {
		return refuse("gives no access tokens")
	}
	if more := reply.wider(p.Wish, p.Lifetime); more != "" {
		return refuse("allows more than we asked for: " + more)
	}
	granted, until := reply.granted()
	return grant.Tokens{Refresh: token, RefreshExpiresAt: until, AccessExpiresAt: m.wire.now().UTC().Truncate(time.Second),
		Scopes: granted.Scopes, Audiences: granted.Audiences, Subject: peek(reply.MyToken).subject()}, nil
}
