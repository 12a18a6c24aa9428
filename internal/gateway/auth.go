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
			return c.hoist(inQueryV4)
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
	err = c.admit(sig.AccessKeyID, sig.SecurityToken, func(secret string) error {
		return sig.Verify(secret, c.at.HostBucket, c.now)
	})
	if err == nil && !sig.ExpiresAt.IsZero() {
		err = c.hoist(inQueryV2)
	}
	return err
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
const signatureParams = " x-amz-algorithm x-amz-credential x-amz-date x-amz-expires x-amz-signedheaders x-amz-signature x-amz-security-token x-amz-content-sha256 "

// inQueryV4 tells the headers that SDKs put into the query of a presigned request, all of which is
// signed by version 4.
func inQueryV4(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-amz-") && !strings.Contains(signatureParams, " "+name+" ")
}

// inQueryV2 tells the same for version 2, which signs just these, and in lower case only.
func inQueryV2(name string) bool {
	return name == strings.ToLower(name) && (strings.HasPrefix(name, "x-amz-") || name == "content-type" || name == "content-md5")
}

// hoist makes headers of signed parameters that are some, such as x-amz-acl: to overlook one would
// be to do something else than what was signed.
func (c *call) hoist(isHeader func(name string) bool) error {
	var rest s3api.Query
	for _, p := range c.query {
		if !isHeader(p.Name) {
			rest = append(rest, p)
			continue
		}
		name := http.CanonicalHeaderKey(p.Name)
		if have := c.r.Header[name]; have != nil && have[0] != p.Value {
			return s3api.Errorf(s3api.InvalidRequest, "%s stands in the request twice, with different values", name)
		}
		c.r.Header.Set(name, p.Value)
	}
	c.query = rest
	return nil
}
