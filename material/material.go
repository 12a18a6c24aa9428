// Package material is what a client holds in hand at one moment: the one thing that kinds of
// credential make and delivery targets take. There are few forms and they are standards, so each
// is a struct of its own and a Material carries exactly one of them.
//
// It is public and imports the standard library only.
package material

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Redacted is what every secret prints as, in logs, errors and debugging output.
const Redacted = "[redacted]"

// A Secret is text that must not reach a log, an error or a terminal unless somebody asked for
// exactly it. All formatting verbs of fmt, and slog, show Redacted; only Reveal and the JSON
// encoding (the wire carries it on purpose) yield the text.
type Secret string

// Reveal returns the secret text. Each call is a place to look at in a review.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return Redacted }

// Format implements fmt.Formatter, because verbs that do not fit a string (%d) would print the
// text and not call String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Material is short-lived and secret. Exactly one form is set.
type Material struct {
	// ExpiresAt is the moment from which nobody honours it any more.
	ExpiresAt time.Time `json:"expires_at"`
	// S3 is set for key pairs.
	S3 *S3Keys `json:"s3,omitempty"`
	// X509 is set for proxies and certificates.
	X509 *Proxy `json:"x509,omitempty"`
}

// S3Keys is the form that every S3 client understands, whichever kind made it.
type S3Keys struct {
	// AccessKeyID is the public half: 20 letters and digits.
	AccessKeyID string `json:"access_key_id"`
	// SecretAccessKey is the secret half: 40 letters and digits.
	SecretAccessKey Secret `json:"secret_access_key"`
	// SessionToken goes with short-lived derived keys only.
	SessionToken Secret `json:"session_token,omitempty"`
}

// Proxy is the form that every grid tool understands: an X.509 proxy (RFC 3820), or the certificate
// that proxies are made below. Names are in OpenSSL's slash form.
type Proxy struct {
	// PEM is the proxy file: the first certificate, its private key unless that stays with whoever
	// made it, then what issued the certificate, without the CA. Its place is a file of mode 0600.
	PEM Secret `json:"pem,omitempty"`
	// Request is a PEM signing request that waits for somebody to sign it.
	Request string `json:"request,omitempty"`
	// Subject is that of the first certificate, Identity that of the end-entity certificate.
	Subject  string `json:"subject,omitempty"`
	Identity string `json:"identity,omitempty"`
	Limited  bool   `json:"limited,omitempty"`
	// VOs are those whose attributes are in it, and AttributesExpireAt is when the first of them end.
	VOs                []VO      `json:"vos,omitempty"`
	AttributesExpireAt time.Time `json:"attributes_expire_at,omitzero"`
	// Warnings are those of the VOs' servers.
	Warnings []string `json:"warnings,omitempty"`
}

// VO names attributes of one virtual organisation, the primary one first.
type VO struct {
	Name  string   `json:"name"`
	FQANs []string `json:"fqans,omitempty"`
}
