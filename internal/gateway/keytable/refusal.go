package keytable

import (
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/project"
)

// Refusal tells why the key of project p is refused at now, and what to do about it; "" if it is
// honoured. Clients print it as it is.
func (k *Key) Refusal(p *project.Project, now time.Time) string {
	if p == nil {
		return "key " + k.PublicID + " belongs to no project any more; make one for another project"
	}
	if k.Usable(now) && p.InForce(now) && k.Secret != "" {
		return ""
	}
	what := "key " + k.PublicID + " of project " + p.Name
	const operator = "; ask the people who run this installation"
	switch k.Status {
	case credential.Intended:
		return what + " is not ready yet; try again in a moment"
	case credential.Frozen:
		return what + frozen(k, operator)
	case credential.Active:
	default:
		return what + ended(k, p, operator)
	}
	switch {
	case !now.Before(k.ExpiresAt):
		return what + " expired at " + k.ExpiresAt.UTC().Format(time.RFC3339) + another(p)
	case !p.FrozenAt.IsZero():
		return what + " was stopped by the operator" + operator
	case !p.InForce(now):
		return what + " is refused, because the project has ended" + operator
	}
	return what + " cannot be read by this gateway" + operator
}

func another(p *project.Project) string {
	return "; make a new one with: lanyard s3 key create -p " + p.Name
}

func frozen(k *Key, operator string) string {
	switch k.Reason {
	case credential.FrozenByOwner:
		return " is frozen; thaw it with: lanyard s3 key thaw " + k.PublicID
	case credential.LeftProject:
		return " is refused, because its owner is not a member of the project any more; ask a manager of the project"
	}
	return " was stopped by the operator" + operator
}

func ended(k *Key, p *project.Project, operator string) string {
	switch k.Reason {
	case credential.Expired:
		return " expired at " + k.ExpiresAt.UTC().Format(time.RFC3339) + another(p)
	case credential.ProjectEnded:
		return " is refused, because the project has ended" + operator
	case credential.LeftProject:
		return " ended, because its owner left the project; ask a manager of the project"
	}
	return " was deleted at " + k.EndedAt.UTC().Format(time.RFC3339) + another(p)
}
