package portal

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

type keyPage struct {
	credential.Credential
	Rights  s3key.Rights
	Latest  time.Time // the end that extending would give now
	History []event
	Notice  notice
	// What may be done with it, as far as a page can tell; the broker decides.
	Usable, Extendable, Thawable, Deletable, Revealable bool
}

func (p *Portal) key(v *view) error {
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	if err != nil {
		return err
	}
	page := keyPage{Credential: c, Usable: c.Usable(v.at)}
	if page.Rights, err = s3key.ParseRights(c.Spec); err != nil {
		return err
	}
	longest, err := p.Broker.LongestLife(v.Context(), c.ProjectID, c.Kind)
	if err != nil {
		return err
	}
	page.Latest = v.at.Add(longest)
	page.Extendable = page.Usable && page.Latest.Sub(c.ExpiresAt) >= time.Minute
	live := (c.Status == credential.Active || c.Status == credential.Frozen) && v.at.Before(c.ExpiresAt)
	page.Thawable = live && (c.Reason == credential.FrozenByOwner || c.Reason == credential.LeftProject && v.by.In(c.ProjectID, identity.Deputy))
	page.Deletable = live
	page.Revealable = live && p.Broker.Reveal && c.OwnerID == v.by.AccountID
	records, err := p.Broker.ListAudit(v.Context(), v.by, audit.Filter{Subject: c.ID, Limit: 20})
	if err != nil {
		return err
	}
	page.History, page.Notice = history(records), v.notice(c)
	return show(v, "key", c.Name, page)
}

// notice is what the key page says after something was done. Since is zero unless every gateway
// confirmed.
type notice struct {
	Text  string
	Since time.Time
}

// notice reads what the redirect after a change carries. A link that claims what is not so says
// nothing.
func (v *view) notice(c credential.Credential) notice {
	said, ok := map[string]struct {
		works bool // of a key that does
		text  string
	}{
		"extended": {true, "The key has a new end."},
		"thawed":   {true, "The key works again."},
		"stored":   {true, "The secret will not be shown again."},
		"frozen":   {false, "The key is frozen: refused until you thaw it."},
		"deleted":  {false, "The key is deleted: refused for good."},
		"unsure":   {false, "This is written down for good. Not every gateway has confirmed it yet; those that do not answer refuse all keys within a minute."},
	}[v.FormValue("done")]
	if !ok || said.works != c.Usable(v.at) {
		return notice{}
	}
	n := notice{Text: said.text}
	if at, err := strconv.ParseInt(v.FormValue("since"), 10, 64); err == nil && !said.works {
		if t := time.Unix(at, 0); !t.After(v.at) && t.After(v.at.Add(-time.Hour)) {
			n.Since = t
		}
	}
	return n
}

func (p *Portal) extend(v *view) error {
	ctx, cancel := v.await()
	defer cancel()
	c, err := p.Broker.Extend(ctx, v.by, v.PathValue("key"), 0, time.Time{}, audit.Once{})
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + c.ID + "?done=extended")
}

func (p *Portal) freeze(v *view) error { return p.change(v, p.Broker.Freeze, "frozen") }
func (p *Portal) thaw(v *view) error   { return p.change(v, p.Broker.Thaw, "thawed") }

// change runs one of the broker's changes of state and tells how it went: with the time since when
// every gateway refuses the key, for what took something away.
func (p *Portal) change(v *view, f func(context.Context, identity.Actor, string, audit.Once) (broker.Receipt, error), done string) error {
	ctx, cancel := v.await()
	defer cancel()
	receipt, err := f(ctx, v.by, v.PathValue("key"), audit.Once{})
	if err != nil {
		return err
	}
	switch {
	case done == "thawed":
	case receipt.RefusedSince.IsZero():
		done = "unsure"
	default:
		done = fmt.Sprintf("%s&since=%d", done, receipt.RefusedSince.Unix())
	}
	return v.redirect("/keys/" + v.PathValue("key") + "?done=" + done)
}

type deletePage struct {
	credential.Credential
	Busy   bool // used in the last day
	Theirs bool // somebody else's
	Fault  *fault.Fault
}

func (p *Portal) deleting(v *view) (deletePage, error) {
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	busy := !c.LastUsedAt.IsZero() && v.at.Sub(c.LastUsedAt) < 24*time.Hour
	return deletePage{Credential: c, Busy: busy, Theirs: c.OwnerID != v.by.AccountID}, err
}

func (p *Portal) deleteForm(v *view) error {
	page, err := p.deleting(v)
	if err != nil {
		return err
	}
	return show(v, "delete", "Delete "+page.Name, page)
}

func (p *Portal) delete(v *view) error {
	page, err := p.deleting(v)
	if err != nil {
		return err
	}
	if typed := strings.TrimSpace(v.PostFormValue("name")); (page.Busy || page.Theirs) && typed != page.Name {
		page.Fault = v.refused(fault.New(fault.Invalid, "that is not the key's name").WithHint("nothing was deleted; type %s", page.Name))
		return show(v, "delete", "Delete "+page.Name, page)
	}
	return p.change(v, p.Broker.End, "deleted")
}
