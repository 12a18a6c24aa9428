// Package trust is a directory of trusted certification authorities as the grid distributes it:
// certificates under hashed names, revocation lists, signing policies and namespaces. It imports
// the standard library, golang.org/x/crypto, dn and keyfile only.
package trust

import (
	"crypto/x509"
	"errors"
	"time"
)

var errNotYet = errors.New("not written yet")

// A Store is what a directory said when it was read. It never changes and is safe for concurrent
// use.
type Store struct{ problems []error }

// Options say how strict Verify is.
type Options struct {
	// AllowSHA1 accepts signatures over SHA-1 hashes.
	AllowSHA1 bool
	// RequireCRL refuses authorities without a revocation list.
	RequireCRL bool
	// RequireSigningPolicy refuses authorities that have neither signing policy nor namespaces.
	// Otherwise these are enforced where present.
	RequireSigningPolicy bool
}

// A Reason is a word for why a path was refused.
type Reason string

// The reasons.
const (
	UnknownCA         Reason = "unknown_ca"
	Expired           Reason = "expired"
	NotYetValid       Reason = "not_yet_valid"
	Revoked           Reason = "revoked"
	CRLExpired        Reason = "crl_expired"
	Namespace         Reason = "namespace"
	Signature         Reason = "signature"
	Algorithm         Reason = "algorithm"
	Constraint        Reason = "constraint"
	CriticalExtension Reason = "critical_extension"
)

// An Error says which certificate was refused and why.
type Error struct {
	Reason  Reason
	Subject string // of the certificate that was refused, in slash form
	Detail  string // what was found
}

// Error implements error.
func (e *Error) Error() string { return e.Subject + ": " + e.Detail }

// Load reads a directory.
func Load(dir string) (*Store, error) { return nil, errNotYet }

// New returns a store of the given authorities, without files.
func New(cas []*x509.Certificate) *Store { return &Store{} }

// With returns a copy that also trusts cas and uses crls (DER).
func (s *Store) With(cas []*x509.Certificate, crls [][]byte) *Store { return s }

// Problems returns what could not be read.
func (s *Store) Problems() []error { return s.problems }

// Verify builds the path from chain[0] to a trusted authority.
func (s *Store) Verify(chain []*x509.Certificate, at time.Time, o Options) ([]*x509.Certificate, error) {
	return nil, errNotYet
}

// A Directory is a trust directory that is read again when its files change.
type Directory struct {
	Path string
	Now  func() time.Time
}

// Current returns the directory's store.
func (d *Directory) Current() (*Store, error) { return Load(d.Path) }

// Hashes returns the two names of an authority's files.
func Hashes(rawName []byte) (new, old string) { return "", "" }

// WriteCA writes ca into dir.
func WriteCA(dir string, ca *x509.Certificate, namespace string) error { return errNotYet }
