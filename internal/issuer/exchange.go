package issuer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// maxActors bounds the chain of those who act for others.
const maxActors = 4

// A subject is what the token that somebody exchanges proves.
type subject struct {
	account  identity.Account
	client   string   // whose token it is; "" for a robot's
	scopes   []string // of minted tokens
	all      bool     // whatever the policy gives the account
	until    time.Time
	family   string
	audience []string
	actor    *wlcg.Actor
	mayAct   string
	authTime time.Time
}

// An exchangeWish is a request in our words.
type exchangeWish struct {
	client    *client
	rule      minting.Exchange // empty if there is none
	subject   subject
	scopes    []string
	audiences []string
	actor     *wlcg.Actor // whom the request names
}

// TokenExchange gives another token for one of ours (RFC 8693): one for less or for somebody else, to
// the client that holds it; one that says who acts, to a client that the token or the operator's
// rules name; and, by rule, an access token of another provider. Never a refresh token.
func (s *server) TokenExchange(ctx context.Context, r *op.ClientRequest[oidc.TokenExchangeRequest]) (*op.Response, error) {
	q := r.Data
	if s.c.Minter == nil {
		return nil, oidc.ErrUnsupportedGrantType().WithDescription("there is no token exchange here")
	}
	if text := judgeTypes(q); text != "" {
		return s.refuse(ctx, "invalid_request", text)
	}
	x := exchangeWish{client: r.Client.(*client), scopes: strings.Fields(r.Form.Get("scope"))}
	if x.client.Confidential() {
		x.rule, _ = s.c.Minter.Exchange(x.client.ID)
	}
	var err error
	if x.subject, err = s.subject(ctx, q.SubjectToken); err == nil && q.ActorToken != "" {
		x.actor, err = s.actor(ctx, x.client, q.ActorToken)
	}
	if err != nil {
		return s.unproven(ctx, err)
	}
	foreign := slices.Concat(r.Form["audience"], r.Form["resource"])
	if len(foreign) == 1 && s.c.Grants != nil && slices.Contains(x.rule.Providers, foreign[0]) {
		return s.fromProvider(ctx, x, foreign[0])
	}
	if x.audiences, err = s.audiences(r.Form); err != nil {
		return s.fail(ctx, err)
	}
	return s.narrower(ctx, x)
}

// judgeTypes says what is wrong with the types of a request's tokens, or "".
func judgeTypes(q *oidc.TokenExchangeRequest) string {
	access := []oidc.TokenType{oidc.AccessTokenType, oidc.JWTTokenType}
	switch {
	case !slices.Contains(access, q.SubjectTokenType):
		return "only access tokens are exchanged (subject_token_type)"
	case q.RequestedTokenType != "" && !slices.Contains(access, q.RequestedTokenType):
		return "only access tokens are given (requested_token_type)"
	case (q.ActorToken == "") != (q.ActorTokenType == ""):
		return "actor_token and actor_token_type stand together"
	case q.ActorToken != "" && !slices.Contains(access, q.ActorTokenType):
		return "only access tokens prove who acts (actor_token_type)"
	}
	return ""
}

// unproven answers for tokens that prove nothing: RFC 8693 §2.2.2 calls that invalid_request.
func (s *server) unproven(ctx context.Context, err error) (*op.Response, error) {
	switch fault.CodeOf(err) {
	case fault.Unauthenticated, fault.NotFound:
		return s.refuse(ctx, "invalid_request", minting.ErrToken.Error())
	case fault.Denied:
		return s.refuse(ctx, "invalid_request", fault.Public(err).Message)
	}
	return s.fail(ctx, err)
}

func (s *server) refuse(ctx context.Context, code, text string) (*op.Response, error) {
	from(ctx).refused = &refusal{status: http.StatusBadRequest, Code: code, Text: text}
	return op.NewResponse(nil), nil
}

// subject finds out what a token proves, of either form.
func (s *server) subject(ctx context.Context, token string) (subject, error) {
	if !s.signed(token) {
		v, t, a, err := s.c.Login.Introspect(ctx, material.Secret(token))
		if err != nil {
			return subject{}, err
		}
		// Who may make grants may have what a grant would yield.
		all := v.Scopes == nil || slices.Contains(v.Scopes, identity.WriteTokens)
		return subject{account: a, client: v.ClientID, scopes: s.minted(v.Scopes), all: all, until: t.ExpiresAt, family: v.ID,
			audience: v.Audiences, authTime: v.AuthenticatedAt}, nil
	}
	c, err := s.c.Minter.Verify(ctx, material.Secret(token))
	if err != nil {
		return subject{}, err
	}
	a, err := s.c.Login.Account(ctx, c.Subject)
	return subject{account: a, client: c.ClientID, scopes: c.Scope, until: c.ExpiresAt, family: minting.Family(c), audience: c.Audience,
		actor: c.Actor, mayAct: minting.MayAct(c), authTime: c.AuthTime}, err
}

// actor is whom an actor token of the client's proves.
func (s *server) actor(ctx context.Context, c *client, token string) (*wlcg.Actor, error) {
	v, err := s.subject(ctx, token)
	if err != nil {
		return nil, err
	}
	if v.client != c.ID {
		return nil, fault.New(fault.Denied, "the actor's token is another client's")
	}
	return &wlcg.Actor{Issuer: s.c.URL, Subject: v.account.ID}, nil
}

// own reports whether the token is the client's, or a robot's, whose token stands for itself.
func (x exchangeWish) own() bool {
	return x.subject.client == x.client.ID || x.subject.client == "" && x.client.ID == CommandLine
}

// ruled reports whether the operator's rule for the client is about the token.
func (x exchangeWish) ruled() bool {
	return x.rule.Client != "" && (x.own() || slices.Contains(x.rule.Subjects, x.subject.client))
}

// named reports whether the token names the client as who may act with it.
func (x exchangeWish) named() bool {
	return x.client.Confidential() && x.subject.mayAct == x.client.ID
}

// acts is who acts with the new token, and who did before them.
func (x exchangeWish) acts(issuer string) *wlcg.Actor {
	act := x.actor
	switch {
	case x.own() && act == nil:
		return x.subject.actor
	case act == nil:
		act = &wlcg.Actor{Issuer: issuer, Subject: x.client.ID}
	}
	act.Actor = x.subject.actor
	return act
}

// narrower mints a token of ours.
func (s *server) narrower(ctx context.Context, x exchangeWish) (*op.Response, error) {
	v := x.subject
	if !x.own() && !x.ruled() && !x.named() {
		return s.refuse(ctx, "unauthorized_client", "the token is another client's, and no rule lets this one exchange it")
	}
	limit := v.scopes
	if x.ruled() {
		limit = slices.Concat(limit, x.rule.Scopes)
	}
	if len(x.scopes) == 0 {
		x.scopes = limit
	}
	if everything := x.own() && v.all; !everything && !minting.Covers(limit, x.scopes) {
		return s.refuse(ctx, "invalid_scope", "more scopes were asked for than the token has")
	}
	if len(x.audiences) == 0 {
		x.audiences = v.audience
	}
	act := x.acts(s.c.URL)
	if depth(act) > maxActors {
		return s.refuse(ctx, "invalid_request", "too many have acted for others with this token")
	}
	t, err := s.c.Minter.Mint(ctx, minting.Order{Account: v.account, Scopes: x.scopes, Audiences: x.audiences, Until: v.until,
		ClientID: x.client.ID, Family: v.family, Actor: act, AuthTime: v.authTime})
	if errors.Is(err, minting.ErrToken) {
		return s.unproven(ctx, err)
	}
	if err != nil {
		return s.fail(ctx, err)
	}
	return s.exchangedFor(ctx, x, "", t)
}

func depth(a *wlcg.Actor) int {
	if a == nil {
		return 0
	}
	return 1 + depth(a.Actor)
}

// fromProvider answers with an access token of the person's grant at another provider.
func (s *server) fromProvider(ctx context.Context, x exchangeWish, provider string) (*op.Response, error) {
	v := x.subject
	switch {
	case v.client != x.client.ID && !slices.Contains(x.rule.Subjects, v.client):
		return s.refuse(ctx, "unauthorized_client", "the token is another client's, and no rule lets this one exchange it")
	case len(x.rule.Scopes) > 0 && !minting.Covers(x.rule.Scopes, x.scopes):
		return s.refuse(ctx, "invalid_scope", "the rule for this client does not cover the scopes")
	}
	w := grant.Wish{Scopes: x.scopes}
	if len(w.Scopes) == 0 {
		w.Scopes = x.rule.Scopes
	}
	t, err := s.c.Grants.TokenOfAccount(ctx, v.account.ID, provider, w)
	switch fault.CodeOf(err) {
	case "":
		return s.exchangedFor(ctx, x, provider, t)
	case fault.NotFound, fault.Conflict: // the person has to approve, or to sign in again
		return s.refuse(ctx, "invalid_target", told(err))
	case fault.Denied, fault.Invalid:
		return s.refuse(ctx, "invalid_scope", told(err))
	}
	return s.fail(ctx, err)
}

// told is what happened and the one thing to do.
func told(err error) string {
	f := fault.Public(err)
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + "; " + f.Hint
}

// exchangedFor records and renders what was given.
func (s *server) exchangedFor(ctx context.Context, x exchangeWish, provider string, t grant.Tokens) (*op.Response, error) {
	now := s.now()
	to := strings.Join(t.Audiences, " ")
	kind := strings.Join([]string{x.client.ID, x.subject.family, provider, to, strings.Join(t.Scopes, " ")}, "\n")
	if s.exchanged.fresh(kind, now) {
		r := from(ctx).Request
		by := identity.Actor{AccountID: x.subject.account.ID, Name: x.subject.account.Name, RequestID: r.ID, Address: r.Address, Client: r.Client}
		record := audit.By(by, now, "token.exchange", x.subject.family, "").With("client", x.client.ID).With("of", x.subject.client).
			With("scopes", strings.Join(t.Scopes, " ")).With("audience", to)
		if provider != "" {
			record = record.With("provider", provider)
		}
		if err := s.c.Record(ctx, record); err != nil {
			s.exchanged.forget(kind)
			return s.fail(ctx, err)
		}
	}
	out := &oidc.TokenExchangeResponse{AccessToken: t.Access.Reveal(), IssuedTokenType: oidc.AccessTokenType, TokenType: oidc.BearerToken, Scopes: t.Scopes}
	if life := t.AccessExpiresAt.Sub(now); life > 0 {
		out.ExpiresIn = uint64(life.Seconds())
	}
	return op.NewResponse(out), nil
}
