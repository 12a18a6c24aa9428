// Package authority holds the use cases of the authorities that Lanyard runs for virtual
// organisations: attribute certificates, members, certificates that belong to accounts. It imports
// rows 0 to 2 and declares what it needs of a database.
package authority

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// Store is what authority needs of a database. Absent things are NotFound faults. Each write is one
// transaction, with its audit record.
type Store interface {
	Holdings
	Members
	Certificates
}

// Holdings knows who holds what.
type Holdings interface {
	// Holding returns the facts about the holder of a certificate.
	Holding(context.Context, vo.Question) (vo.Facts, error)
	// AccountFacts returns the facts about an account, without a certificate.
	AccountFacts(ctx context.Context, vo, accountID string) (vo.Facts, error)
	// Record writes an audit record that goes with no other change.
	Record(context.Context, audit.Record) error
	// Account finds by id.
	Account(ctx context.Context, id string) (identity.Account, error)
	// Project finds by id or by name.
	Project(ctx context.Context, ref string) (project.Project, error)
}

// Members keeps written memberships.
type Members interface {
	// Members returns those of a VO, those of one account if accountID is not empty, oldest first.
	Members(ctx context.Context, vo, accountID string) ([]vo.Member, error)
	// SaveMembers writes and removes memberships, all or none.
	SaveMembers(context.Context, []vo.MemberChange) error
	// ReviseMembers makes the changes that revise says for all members of a VO. Nobody else writes
	// between its last call and their being saved; it may be called more than once.
	ReviseMembers(ctx context.Context, vo string, revise func([]vo.Member) ([]vo.MemberChange, error)) error
}

// Certificates knows which certificates of other authorities are whose.
type Certificates interface {
	Certificates(ctx context.Context, accountID string) ([]vo.Certificate, error)
	// LinkCertificate writes nothing if that is known. A certificate of another account is a
	// Conflict fault.
	LinkCertificate(context.Context, vo.Certificate, audit.Record) error
	UnlinkCertificate(context.Context, vo.Certificate, audit.Record) error
}

// OnlineCA is what authority needs of Lanyard's own certification authority.
type OnlineCA interface {
	// Issued reports whether a path ends at the CA; foreign that it ends elsewhere but claims the
	// CA's name.
	Issued(path []*x509.Certificate) (own, foreign bool)
	Chain() []*x509.Certificate
}

// Config is what an Authority is made of. All but CA and Others are required.
type Config struct {
	VOs   []vo.VO
	Store Store
	// CA is Lanyard's own, nil if it has none.
	CA OnlineCA
	// Keys give the certificate and key of each VO's attribute authority, by the VO's name.
	Keys map[string]func() (*tls.Certificate, error)
	// Trust returns the CAs that the attribute authorities' certificates are checked against, and
	// Options how strictly.
	Trust   func() (*trust.Store, error)
	Options trust.Options
	// Others returns the VOs that Lanyard is a client of.
	Others func() ([]View, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// Authority runs the VOs. It is safe for concurrent use.
type Authority struct {
	c        Config
	refusals refusals
	signers  signers
}

// New returns the authority for c.
func New(c Config) *Authority {
	if c.Others == nil {
		c.Others = func() ([]View, error) { return nil, nil }
	}
	return &Authority{c: c}
}

func (a *Authority) now() time.Time { return a.c.Now().UTC().Truncate(time.Second) }

// vo finds a VO that is decided about here.
func (a *Authority) vo(name string) (vo.VO, error) {
	for _, v := range a.c.VOs {
		if v.Name == name {
			return v, nil
		}
	}
	return vo.VO{}, absent(name)
}

func absent(name string) error {
	return fault.New(fault.NotFound, "there is no VO %.70q here", name)
}

// manages reports whether by decides about the members of v: the operator does, and managers of the
// project that the configuration names.
func (a *Authority) manages(ctx context.Context, by identity.Actor, v vo.VO) (bool, error) {
	if by.Operator || v.Project == "" {
		return by.Operator, nil
	}
	p, err := a.c.Store.Project(ctx, v.Project)
	if fault.CodeOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the project of VO %s: %w", v.Name, err)
	}
	return by.In(p.ID, identity.Manager), nil
}
