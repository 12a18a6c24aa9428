package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/agent/oidcsocket"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/wlcg"
)

// source gives the clients of oidc-agent the tokens of the person's grants.
type source struct{ *app }

// Token implements oidcsocket.Source.
func (s source) Token(ctx context.Context, q oidcsocket.Query) (oidcsocket.Token, error) {
	t, err := s.token(ctx, q)
	if err != nil {
		return oidcsocket.Token{}, refusal(err)
	}
	return oidcsocket.Token{Access: t.AccessToken, Issuer: t.Issuer, ExpiresAt: t.ExpiresAt}, nil
}

// Accounts implements oidcsocket.Source.
func (s source) Accounts(ctx context.Context) ([]string, error) {
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	own, err := tokens.Own(ctx, c)
	var names []string
	for _, k := range own {
		names = append(names, k.Name)
	}
	return names, err
}

// refusal is err as clients show it.
func refusal(err error) error {
	f := console.Explain(err)
	if f.Exit == console.NotFound {
		return &oidcsocket.Refusal{Text: oidcsocket.NoAccount, Info: f.Hint}
	}
	return &oidcsocket.Refusal{Text: f.Message, Info: f.Hint}
}

func (s source) token(ctx context.Context, q oidcsocket.Query) (api.Token, error) {
	cache, err := tokens.Open(s.Console)
	if err != nil {
		return api.Token{}, err
	}
	c, err := s.connect()
	if err != nil {
		return api.Token{}, err
	}
	ref := q.Account
	if ref == "" {
		if ref, err = s.provider(ctx, c, q.Issuer); err != nil {
			return api.Token{}, err
		}
	}
	w := tokens.Wish{Ref: ref, Scopes: q.Scopes, Audiences: q.Audiences, MinValid: q.MinValid, Force: q.Force}
	if t, ok := cache.Cached(w); ok {
		return t, nil
	}
	if len(w.Scopes)+len(w.Audiences) > 0 {
		if w.Scopes, w.Audiences, err = within(ctx, c, w); err != nil {
			return api.Token{}, err
		}
	}
	return cache.Get(ctx, c, w)
}

// provider finds the provider of an issuer, with or without a slash at its end.
func (s source) provider(ctx context.Context, c *client.Client, issuer string) (string, error) {
	plain := func(issuer string) string { return strings.TrimRight(issuer, "/") }
	s.mu.Lock()
	id, ok := s.issuers[plain(issuer)]
	s.mu.Unlock()
	if ok {
		return id, nil
	}
	all, err := c.ListProviders(ctx)
	if err != nil {
		return "", err
	}
	known := map[string]string{}
	for _, p := range all.Items {
		known[plain(p.Issuer)] = p.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuers = known
	if id, ok := known[plain(issuer)]; ok {
		return id, nil
	}
	return "", &console.Failure{Exit: console.Misuse, Message: "no provider has the issuer " + console.Clean(issuer), Hint: "lanyard token list --providers"}
}

// within returns those of the scopes and audiences wished for that the grant allows. Programs ask for
// what a provider may have, whatever was approved.
func within(ctx context.Context, c *client.Client, w tokens.Wish) (scopes, audiences []string, err error) {
	k, err := c.ShowGrant(ctx, w.Ref)
	if err != nil {
		return nil, nil, tokens.Why(ctx, c, w.Ref, err)
	}
	if k.Grant == nil {
		return w.Scopes, w.Audiences, nil
	}
	for _, scope := range w.Scopes {
		if slices.ContainsFunc(k.Grant.Scopes, func(granted string) bool { return covers(granted, scope) }) {
			scopes = append(scopes, scope)
		}
	}
	for _, audience := range w.Audiences {
		// A grant that is bound to no audience leaves it to the provider.
		if len(k.Grant.Audiences) == 0 || slices.Contains(k.Grant.Audiences, audience) {
			audiences = append(audiences, audience)
		}
	}
	if len(scopes) == 0 && len(w.Scopes) > 0 || len(audiences) == 0 && len(w.Audiences) > 0 {
		return nil, nil, &console.Failure{Exit: console.Denied, Message: "nothing of that was approved for " + k.Name, Hint: "see: lanyard token show " + console.Quote(k.Name)}
	}
	return scopes, audiences, nil
}

// covers reports whether a granted scope allows the other one.
func covers(granted, wanted string) bool {
	if granted == wanted {
		return true
	}
	g, err := wlcg.ParseScope(granted)
	if err != nil {
		return false
	}
	w, err := wlcg.ParseScope(wanted)
	return err == nil && g.Covers(w)
}

// left is the remaining life of a token.
func left(t api.Token) time.Duration { return time.Duration(t.ExpiresIn) * time.Second }
