package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/sigv2"
	"github.com/lanyardhq/lanyard/sigv4"
)

// authenticate finds out who signed the request. A request that carries a signature is judged by
// it even where an anonymous one would be served.
func (c *call) authenticate() error {
	sig, err := sigv4.Parse(c.r)
	switch {
	case err == nil:
		c.sig = sig
		if err := c.admit(sig.AccessKeyID, sig.SecurityToken, func(secret string) error {
			return c.verifier.Verify(sig, secret, c.now)
		}); err != nil {
			return err
		}
		if sig.Form == sigv4.Query {
			return c.hoist()
		}
		return nil
	case errors.Is(err, sigv4.ErrUnsigned):
		return nil
	case errors.Is(err, sigv4.ErrOtherScheme):
		return c.authenticateV2()
	}
	return err
}

func (c *call) authenticateV2() error {
	if !c.SigV2 {
		return s3api.Errorf(s3api.InvalidRequest, "signatures of version 2 are switched off here; use AWS4-HMAC-SHA256 (s3cmd: signature_v2 = False)")
	}
	sig, err := sigv2.Parse(c.r)
	if err != nil {
		return err
	}
	return c.admit(sig.AccessKeyID, sig.SecurityToken, func(secret string) error {
		return sig.Verify(secret, c.at.HostBucket, c.now)
	})
}

// admit looks up who signed and judges signature and key. An unknown key goes the same way as a
// known one.
func (c *call) admit(accessKeyID, token string, verify func(secret string) error) error {
	key, owner := c.Table.Key(accessKeyID)
	secret := c.decoy
	if key != nil && key.Secret != "" {
		secret = key.Secret.Reveal()
	}
	err := verify(secret)
	if key == nil {
		return s3api.Errorf(s3api.InvalidAccessKeyID, "the access key %.40q is not known here, or ended long ago; see yours with: lanyard s3 key list", accessKeyID)
	}
	if why := key.Refusal(owner, c.now); why != "" {
		return s3api.Errorf(s3api.InvalidAccessKeyID, "%s", why)
	}
	if err != nil {
		return err
	}
	if token != "" {
		return s3api.Errorf(s3api.InvalidToken, "key %s goes without a session token; remove it from your configuration (AWS_SESSION_TOKEN, aws_session_token, access_token)", key.PublicID)
	}
	c.key = key
	return nil
}

// signatureParams are the query parameters of a presigned request that are its signature.
const signatureParams = " X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-Signedheaders X-Amz-Signature X-Amz-Security-Token X-Amz-Content-Sha256 "

// hoist takes the headers that SDKs put into the query of presigned requests, such as x-amz-acl:
// to overlook one would be to do something else than what was signed.
func (c *call) hoist() error {
	for _, p := range c.query {
		name := http.CanonicalHeaderKey(p.Name)
		if !strings.HasPrefix(name, "X-Amz-") || strings.Contains(signatureParams, " "+name+" ") {
			continue
		}
		if have := c.r.Header.Get(name); have != "" && have != p.Value {
			return s3api.Errorf(s3api.InvalidRequest, "%s stands in the query and, with another value, in the header", name)
		}
		c.r.Header.Set(name, p.Value)
	}
	return nil
}
