package issuer

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/wlcg"
)

// assertionLife bounds what a client signs to prove itself, and assertionSkew how far its clock may
// be off.
const (
	assertionLife = 5 * time.Minute
	assertionSkew = time.Minute
)

// stranger is the answer to a client that proves nothing.
func stranger() error {
	return op.NewStatusError(oidc.ErrInvalidClient().WithDescription("unknown client, or not its proof"), http.StatusUnauthorized)
}

// asserted authenticates a client by what it signed for us (RFC 7523 §3, private_key_jwt): once, for
// a few minutes.
func (s *server) asserted(ctx context.Context, cc *op.ClientCredentials) (*client, error) {
	claims, err := wlcg.Inspect(cc.ClientAssertion)
	if err != nil {
		return nil, stranger()
	}
	c, ok := s.clients[claims.Subject]
	if !ok || cc.ClientID != "" && cc.ClientID != c.ID {
		return nil, stranger()
	}
	if _, _, err := wlcg.Open(cc.ClientAssertion, c.Keys, es256, rs256); err != nil {
		return nil, stranger()
	}
	now := s.now()
	forUs := slices.Contains(claims.Audience, s.c.URL) || slices.Contains(claims.Audience, s.c.URL+tokenPath)
	if claims.Issuer != c.ID || !forUs || !timely(claims, now) || claims.ID == "" {
		return nil, stranger()
	}
	switch err := s.c.Login.Once(ctx, c.ID+"\n"+claims.ID, claims.ExpiresAt); fault.CodeOf(err) {
	case "":
		return c, nil
	case fault.Conflict:
		return nil, stranger()
	default:
		s.c.Log.ErrorContext(ctx, "request failed", "err", err)
		return nil, op.NewStatusError(oidc.ErrServerError().WithDescription("internal error"), http.StatusServiceUnavailable)
	}
}

// timely reports whether what a client signed has begun and ends soon.
func timely(claims wlcg.Claims, now time.Time) bool {
	soon := now.Before(claims.ExpiresAt) && !claims.ExpiresAt.After(now.Add(assertionLife+assertionSkew))
	return soon && !claims.IssuedAt.After(now.Add(assertionSkew)) && !claims.NotBefore.After(now.Add(assertionSkew))
}
