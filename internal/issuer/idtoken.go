package issuer

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/lanyardhq/lanyard/internal/issuer/relying"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/wlcg"
)

// The algorithms of ID tokens. RS256 is what every relying party knows.
const (
	rs256 = signing.RS256
	es256 = signing.ES256
)

// idToken says who signed in, to the client that asked (OpenID Connect Core §2).
func (i *Issuer) idToken(c *client, g login.Grant) (string, error) {
	now := i.now()
	key, err := i.c.Keys.Signer(c.Algorithm, now)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(g.Access.Reveal()))
	claims := who(g.Account, g.Session.Scopes)
	claims["iss"], claims["aud"], claims["azp"] = i.c.URL, c.ID, c.ID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(relying.IDTokenLife).Unix()
	claims["auth_time"] = g.Session.AuthenticatedAt.Unix()
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	if g.Nonce != "" {
		claims["nonce"] = g.Nonce
	}
	return wlcg.Sign(key, wlcg.TypeJWT, claims)
}
