// Package signer finds out who signed a request of an S3 client: by which key, with which scheme, in
// headers, in the query or in a form. What the key may do is not decided here. It imports rows 0 to 2,
// and of the gateway the words of S3 and the table of keys.
package signer

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/gateway/s3api"
	"github.com/lanyardhq/lanyard/internal/sigv2"
	"github.com/lanyardhq/lanyard/sigv4"
)

// A Signer judges signatures by the keys in a table. It is safe for concurrent use.
type Signer struct {
	table    *keytable.Table
	v2       bool
	verifier sigv4.Verifier
	// decoy stands for the secret of keys that we do not know, so that both ways take as long.
	decoy string
}

// New returns a Signer for the keys of table; v2 admits signatures of version 2.
func New(table *keytable.Table, v2 bool) *Signer {
	return &Signer{table: table, v2: v2, decoy: rand.Text() + rand.Text()}
}

// Signed is what a signature tells of a request.
type Signed struct {
	Key *keytable.Key    // nil for anonymous requests
	V4  *sigv4.Signature // what the body is checked against; nil without a version 4 signature
	// Query are the parameters that are no headers: those became some.
	Query s3api.Query
}

// Request finds out who signed r, whose host names hostBucket, if any. A request that carries a
// signature is judged by it even where an anonymous one would be served. What is known is returned
// with an error, too.
func (s *Signer) Request(r *http.Request, query s3api.Query, hostBucket string, now time.Time) (Signed, error) {
	who := Signed{Query: query}
	sig, err := sigv4.Parse(r)
	switch {
	case err == nil:
		who.V4 = sig
		who.Key, err = s.admit(sig.AccessKeyID, sig.SecurityToken, now, func(secret string) error { return s.verifier.Verify(sig, secret, now) })
		if err == nil && sig.Form == sigv4.Query {
			who.Query, err = hoist(query, r.Header, inQueryV4)
		}
		return who, err
	case errors.Is(err, sigv4.ErrUnsigned):
		return who, nil
	case errors.Is(err, sigv4.ErrOtherScheme):
		return s.requestV2(r, who, hostBucket, now)
	}
	return who, err
}

func (s *Signer) requestV2(r *http.Request, who Signed, hostBucket string, now time.Time) (Signed, error) {
	if !s.v2 {
		return who, s3api.Errorf(s3api.InvalidRequest, "signatures of version 2 are switched off here; use AWS4-HMAC-SHA256 (s3cmd: signature_v2 = False)")
	}
	sig, err := sigv2.Parse(r)
	if err != nil {
		return who, err
	}
	who.Key, err = s.admit(sig.AccessKeyID, sig.SecurityToken, now, func(secret string) error { return sig.Verify(secret, hostBucket, now) })
	if err == nil && !sig.ExpiresAt.IsZero() {
		who.Query, err = hoist(who.Query, r.Header, inQueryV2)
	}
	return who, err
}

// Form finds out who signed the policy of a form with these fields.
func (s *Signer) Form(fields map[string]string, hostBucket string, now time.Time) (*keytable.Key, error) {
	sig, err := sigv4.ParsePost(fields)
	switch {
	case err == nil:
		return s.admit(sig.AccessKeyID, sig.SecurityToken, now, func(secret string) error { return s.verifier.Verify(sig, secret, now) })
	case errors.Is(err, sigv4.ErrOtherScheme) && s.v2:
		sig, err := sigv2.ParsePost(fields)
		if err != nil {
			return nil, err
		}
		return s.admit(sig.AccessKeyID, sig.SecurityToken, now, func(secret string) error { return sig.Verify(secret, hostBucket, now) })
	case errors.Is(err, sigv4.ErrUnsigned):
		return nil, s3api.Errorf(s3api.AccessDenied, "Access Denied: the form is not signed")
	}
	return nil, err
}

// admit looks up who signed and judges signature and key. An unknown key goes the same way as a
// known one.
func (s *Signer) admit(accessKeyID, token string, now time.Time, verify func(secret string) error) (*keytable.Key, error) {
	key, owner := s.table.Key(accessKeyID)
	secret := s.decoy
	if key != nil && key.Secret != "" {
		secret = key.Secret.Reveal()
	}
	err := verify(secret)
	if key == nil {
		return nil, s3api.Errorf(s3api.InvalidAccessKeyID, "the access key %.40q is not known here, or ended long ago; see yours with: lanyard s3 key list", accessKeyID)
	}
	if why := key.Refusal(owner, now); why != "" {
		return nil, s3api.Errorf(s3api.InvalidAccessKeyID, "%s", why)
	}
	if err != nil {
		return nil, err
	}
	if token != "" {
		return nil, s3api.Errorf(s3api.InvalidToken, "key %s goes without a session token; remove it from your configuration (AWS_SESSION_TOKEN, aws_session_token, access_token)", key.PublicID)
	}
	return key, nil
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
func hoist(query s3api.Query, h http.Header, isHeader func(name string) bool) (rest s3api.Query, err error) {
	for _, p := range query {
		if !isHeader(p.Name) {
			rest = append(rest, p)
			continue
		}
		name := http.CanonicalHeaderKey(p.Name)
		if have := h[name]; have != nil && have[0] != p.Value {
			return query, s3api.Errorf(s3api.InvalidRequest, "%s stands in the request twice, with different values", name)
		}
		h.Set(name, p.Value)
	}
	return rest, nil
}
