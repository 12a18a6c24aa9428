// Package vo says what virtual organisations (VOs) are and who holds what in them: groups and
// roles, rules and members, the attributes that a request may be given and in which order, as the
// field's attribute authorities decide it. Words and rules, no I/O; it imports fault, identity and
// the public packages about certificates.
package vo

import (
	"crypto/x509"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// A VO is a virtual organisation that Lanyard decides about, as the operator configured it.
type VO struct {
	Name, Title string
	// Host and Port are those of its attribute authority, as attribute certificates name it.
	Host string
	Port int
	// Project is the name of the project whose managers decide about explicit members; may be
	// empty.
	Project string
	// MaxLife bounds attribute certificates.
	MaxLife time.Duration
	// ShortFQANs leaves /Role=NULL/Capability=NULL out of what is issued.
	ShortFQANs bool
	// Groups are those below the VO itself, and the VO itself where it has a title or roles.
	Groups []Group
	Rules  []Rule
	// Attributes are generic ones that everybody has who holds what they hang on.
	Attributes []Attribute
}

// A Group is a group of a VO: "/climate/ocean".
type Group struct {
	Name, Title string
	Roles       []string
}

// A Rule gives a FQAN to accounts. Either Project is set or Issuer with Claim.
type Rule struct {
	FQAN string
	// Project is the name of a project whose members hold it, those with at least Role.
	Project string
	Role    identity.Role
	// Issuer is an identity provider, and Claim the value of its groups claim that brings the FQAN.
	Issuer, Claim string
}

// An Attribute is a generic attribute. It hangs on the member, or on a group or role: then Group is
// a FQAN.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Group string `json:"group,omitempty"`
}

// A Member is a membership that somebody wrote down: of an account, or of whoever has a certificate
// with the names Subject and Issuer. What rules give needs no Member.
type Member struct {
	ID string // vom_…
	VO string
	// AccountID is empty for certificates. AccountName is filled in when it is read.
	AccountID, AccountName string
	// Subject and Issuer are in slash form. Any trusted issuer will do if Issuer is empty.
	Subject, Issuer string
	// FQANs are in short form. None makes no member: such a record only suspends.
	FQANs      []string
	Attributes []Attribute
	// SuspendedAt is zero while the member may act. A suspension covers what rules give too.
	SuspendedAt time.Time
	Reason      string
	// Source is who decides about it: "admin", or a directory such as "ldap".
	Source    string
	Since     time.Time
	ExpiresAt time.Time // zero: open end
}

// A MemberChange writes a membership, or removes it, and says who does so.
type MemberChange struct {
	Member  Member
	Removed bool
	Record  audit.Record
}

// A Holder is who asks an attribute authority for a certificate, as the edge verified them.
type Holder struct {
	// Chain is what the client showed, leaf first, and Result what it means.
	Chain  []*x509.Certificate
	Result proxycert.Result
	// ACs are the verified attribute certificates of the same VO that the client came with.
	ACs []*voms.AC
	// Address is the client's network address, without a port.
	Address string
}

// A Certificate links a certificate of an authority outside to an account.
type Certificate struct {
	AccountID, AccountName string
	Subject, Issuer        string // slash form
	Source                 string // "admin", or "delegation" where the account proved it
	Since                  time.Time
}

// A KeyPair is a private key that an authority of Lanyard signs with, and its certificate.
type KeyPair struct {
	ID          string          // key_…
	Name        string          // what it is for: "ca", or "aa/HOST"
	Private     material.Secret // PKCS #8, DER
	Certificate []byte          // DER
	NotAfter    time.Time
}

// A Revocation is a certificate of the online CA that is not to be honoured though its time has not
// come.
type Revocation struct {
	Serial string // hexadecimal
	At     time.Time
	// OnHold says that it may come back.
	OnHold bool
}

// A RevocationList is a CRL as it was last published.
type RevocationList struct {
	Number int64
	// Digest tells what it lists, to see whether it still holds.
	Digest string
	DER    []byte
	At     time.Time
}
