// Package authority holds the use cases of the authorities that Lanyard runs for virtual
// organisations: attribute certificates, members, certificates that belong to accounts. It imports
// rows 0 to 2 and declares what it needs of a database.
package authority

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

var errNotYet = errors.New("not written yet")

// Authority runs the VOs. It is safe for concurrent use.
type Authority struct{}

// Attributes gives the holder an attribute certificate of the VO with that name. What it refuses
// is a *protocol.Error.
func (a *Authority) Attributes(ctx context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error) {
	return protocol.Answer{}, errNotYet
}

// LinkCertificate notes that certificates with these names, in slash form, are the account's. By
// is the operator, or the account itself when it has proved to hold the key.
func (a *Authority) LinkCertificate(ctx context.Context, by identity.Actor, accountID, subject, issuer string) error {
	return errNotYet
}
