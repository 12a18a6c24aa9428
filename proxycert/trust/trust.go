// Package trust is a directory of trusted certification authorities as the grid distributes it
// (X509_CERT_DIR): certificates under hashed names, revocation lists, signing policies and
// namespaces. It decides whether a certificate leads to one of the authorities, and says why not.
//
// It does so itself and not with x509.Certificate.Verify, because names are compared and rules are
// enforced here that crypto/x509 does not know. It is about end-entity certificates and those above;
// proxies are package proxycert's. It imports the standard library, golang.org/x/crypto and the
// packages dn and keyfile only.
package trust

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// A Reason is a word for why a certificate was refused. Words are stable: programs show them.
type Reason string

// The reasons.
const (
	UnknownCA         Reason = "unknown_ca"         // no trusted authority of the issuer's name
	Expired           Reason = "expired"            // at the time of the check
	NotYetValid       Reason = "not_yet_valid"      // at the time of the check
	Revoked           Reason = "revoked"            // by its issuer's revocation list
	CRLExpired        Reason = "crl_expired"        // the issuer's revocation list is too old, broken, or missing where required
	Namespace         Reason = "namespace"          // the issuer may not sign such names
	Signature         Reason = "signature"          // it is not the issuer's
	Algorithm         Reason = "algorithm"          // the signature's is too weak or not supported
	Constraint        Reason = "constraint"         // the issuer may not sign certificates, or not this deep
	CriticalExtension Reason = "critical_extension" // one that nobody here understands
)

// An Error says which certificate was refused and why.
type Error struct {
	Reason  Reason
	Subject string // of the refused certificate, in slash form
	Detail  string // what is wrong with it, in words
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("certificate %s: %s", e.Subject, e.Detail) }

// Options say how strict Verify is. The zero Options refuse SHA-1 and enforce revocation lists,
// signing policies and namespaces where they are present. MD5 is refused always.
type Options struct {
	// AllowSHA1 accepts signatures over SHA-1 hashes.
	AllowSHA1 bool
	// RequireCRL refuses what is signed by authorities that have no revocation list.
	RequireCRL bool
	// RequireSigningPolicy refuses what is signed by authorities that have neither a signing policy
	// nor namespaces. Authorities given by New and With need none.
	RequireSigningPolicy bool
}

// A Store is what a directory held when it was read. It never changes and is safe for concurrent
// use.
type Store struct {
	sources   sources
	all       []*authority
	bySubject map[string][]*authority // by the bytes of the name
	problems  []error
}

// An authority is a certificate with what the directory says about it.
type authority struct {
	cert   *x509.Certificate
	name   dn.Name
	hashes [2]string
	given  bool // by a program, not by a file

	policy     rules // of signing_policy files
	namespaces rules // of namespaces files

	revoked *revocations // the newest list that it signed, nil if there is none
	badCRL  bool         // there is a list, but it cannot be used
}

// New returns a store of the given authorities, without files.
func New(cas []*x509.Certificate) *Store { return new(Store).With(cas, nil) }

// With returns a copy of s that also trusts cas, and that uses the revocation lists crls (DER) of any
// of its authorities. A list that cannot be read or that none of them signed is one of Problems.
func (s *Store) With(cas []*x509.Certificate, crls [][]byte) *Store {
	src := s.sources.clone()
	for _, c := range cas {
		src.cas = append(src.cas, source[*x509.Certificate]{value: c, given: true})
	}
	var problems []error
	for i, der := range crls {
		list, err := parseCRL(der)
		if err != nil {
			problems = append(problems, fmt.Errorf("revocation list %d: %w", i+1, err))
			continue
		}
		src.crls = append(src.crls, source[*revocations]{value: list, file: fmt.Sprintf("revocation list %d", i+1), given: true})
	}
	return assemble(src, append(problems, s.sources.problems...))
}

// Problems returns what could not be read or used. It is for the operator: whatever rests on it is
// refused.
func (s *Store) Problems() []error { return slices.Clone(s.problems) }

// sources are the contents of files. Copies of a store share them.
type sources struct {
	cas      []source[*x509.Certificate]
	crls     []source[*revocations]
	policies []source[[]statement]
	problems []error
}

// A source is something read from a file, or given by a program.
type source[T any] struct {
	value T      // zero if the file cannot be read
	file  string // its name
	hash  string // that it is named after, "" if it is none
	given bool   // by a program
}

func (s sources) clone() sources {
	return sources{slices.Clip(s.cas), slices.Clip(s.crls), slices.Clip(s.policies), slices.Clip(s.problems)}
}

// assemble makes a store. Each authority gets its revocation list and its rules here, once, so that
// verifying does no more than look things up.
func assemble(src sources, problems []error) *Store {
	src.problems = slices.Clip(problems)
	s := &Store{sources: src, bySubject: map[string][]*authority{}, problems: src.problems}
	signed := map[*revocations]bool{}
	for _, ca := range src.cas {
		if ca.value == nil || s.find(ca.value) != nil {
			continue
		}
		a, lists := src.authority(ca.value)
		a.given = ca.given
		for _, l := range lists {
			signed[l] = true
		}
		s.all = append(s.all, a)
		key := string(a.cert.RawSubject)
		s.bySubject[key] = append(s.bySubject[key], a)
	}
	for _, l := range src.crls {
		if l.value != nil && signed[l.value] {
			continue
		}
		known := false
		for _, a := range s.all {
			if l.hash != "" && slices.Contains(a.hashes[:], l.hash) || l.value != nil && l.value.name.Equal(a.name) {
				known = true
				a.badCRL = a.revoked == nil
			}
		}
		if known && l.value != nil {
			s.problems = append(s.problems, fmt.Errorf("%s: not signed by %s", l.file, l.value.name))
		}
	}
	return s
}

// authority looks up what the sources say about a certificate. It also returns all revocation lists
// that it signed.
func (s sources) authority(cert *x509.Certificate) (*authority, []*revocations) {
	a := &authority{cert: cert}
	a.name, _ = dn.Of(cert.RawSubject) // a certificate that was parsed has one
	a.hashes[0], a.hashes[1] = Hashes(cert.RawSubject)
	for _, p := range s.policies {
		named := p.hash != "" && slices.Contains(a.hashes[:], p.hash)
		into := &a.policy
		if isNamespaces(p.file) {
			into = &a.namespaces
		}
		into.present = into.present || named
		for _, st := range p.value {
			if st.about(a, named) {
				into.present = true
				into.list = append(into.list, st.rule)
			}
		}
	}
	var lists []*revocations
	for _, l := range s.crls {
		if l.value != nil && l.value.name.Equal(a.name) && l.value.signedBy(cert) {
			lists = append(lists, l.value)
			if a.revoked == nil || l.value.from.After(a.revoked.from) {
				a.revoked = l.value
			}
		}
	}
	return a, lists
}

// find returns the authority of exactly this certificate.
func (s *Store) find(c *x509.Certificate) *authority {
	for _, a := range s.bySubject[string(c.RawSubject)] {
		if bytes.Equal(a.cert.Raw, c.Raw) {
			return a
		}
	}
	return nil
}
