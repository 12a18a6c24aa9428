package sigv4

import (
	"crypto/hmac"
	"net/url"
	"time"
)

// MaxSkew is how far the clocks of client and server may differ. It is AWS's value, which clients
// count on; a shorter one shuts out machines without NTP, a longer one lengthens replays.
const MaxSkew = 15 * time.Minute

// Verifier checks signatures and keeps a bounded number of derived keys, which makes a check
// cheap. The zero value is ready; several goroutines may use it.
type Verifier struct{ keys keyCache }

// Verify returns nil if secret made s and s is valid at now; otherwise an *Error. It compares in
// constant time. Keys are cached under a hash of the secret, so a changed secret counts at once.
func (v *Verifier) Verify(s *Signature, secret string, now time.Time) error {
	if err := s.checkTime(now); err != nil {
		return err
	}
	key := v.keys.get(secret, s.date, s.Region)
	w := key.take()
	defer key.give(w)
	if s.Form == Post {
		w.buf = append(w.buf[:0], s.policy...)
		if !hmac.Equal(w.sign(w.buf), s.signature[:]) {
			return mismatch("", s.policy)
		}
		return nil
	}
	err := s.verifyPath(w, "")
	if err != nil {
		// A few clients sign the path as they send it, say with a bare colon or an encoded slash.
		// Either way a signed path means the one object that it decodes to, so accepting both
		// opens nothing.
		if sent, ok := sentPath(s.request.URL); ok && s.verifyPath(w, sent) == nil {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	s.key = key
	return nil
}

// sentPath returns the path as it was on the wire, if that is not AWS's encoding of u.Path.
func sentPath(u *url.URL) (string, bool) {
	sent := u.RawPath
	if sent == "" {
		sent = u.EscapedPath()
	}
	path, err := url.PathUnescape(sent)
	return sent, err == nil && path == u.Path && sent != EncodePath(path)
}

// verifyPath compares the signature over the canonical request with the given path, see
// appendCanonical.
func (s *Signature) verifyPath(w *workspace, sent string) error {
	b, ok := w.appendCanonical(w.buf[:0], s.request, sent, s.headers, s.payload)
	if !ok {
		return errURI
	}
	n := len(b)
	b = appendStringToSign(b, s.timestamp, s.scope, b)
	w.buf = b
	if !hmac.Equal(w.sign(b[n:]), s.signature[:]) {
		return mismatch(string(b[:n]), string(b[n:]))
	}
	return nil
}

func mismatch(canonical, text string) *Error {
	e := fail(SignatureDoesNotMatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	e.canonicalRequest, e.stringToSign = canonical, text
	return e
}

// checkTime judges the time of signing by the rule of the form.
func (s *Signature) checkTime(now time.Time) error {
	age := now.Sub(s.SignedAt)
	switch {
	case s.Form == Header && (age > MaxSkew || age < -MaxSkew):
		return fail(RequestTimeTooSkewed, "The difference between the request time %s and the server's time %s is too large.",
			s.timestamp, now.UTC().Format(timeFormat))
	case age < -MaxSkew:
		return fail(AccessDenied, "Request is not valid yet")
	case s.Form == Query && age > s.Expires, s.Form == Post && age > maxExpires:
		return fail(AccessDenied, "Request has expired")
	}
	return nil
}
