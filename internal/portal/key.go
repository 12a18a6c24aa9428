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
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// shown is what the page of a credential shows, of whatever kind it is.
type shown struct {
	credential.Credential
	Place   string    // address of the page
	Latest  time.Time // the end that extending would give now
	History []wording.Event
	Notice  notice
	// What may be done with it, as far as a page can tell; the broker decides.
	Usable, Extendable, Thawable, Deletable, Mine bool
}

// place is the address of a credential's page.
func place(c credential.Credential) string {
	switch c.Kind {
	case proxy.Name:
		return "/proxies/" + c.ID
	case grant.Kind:
		return "/tokens/" + c.ID
	}
	return "/keys/" + c.ID
}

func (p *Portal) shown(v *frame.View, c credential.Credential) (shown, error) {
	s := shown{Credential: c, Place: place(c), Usable: c.Usable(v.At), Mine: c.OwnerID == v.By.AccountID}
	longest, err := p.Broker.LongestLife(v.Context(), c.ProjectID, c.Kind)
	if err != nil {
		return s, err
	}
	s.Latest = p.Broker.Latest(c, longest)
	s.Extendable = s.Usable && s.Latest.Sub(c.ExpiresAt) >= time.Minute
	live := (c.Status == credential.Active || c.Status == credential.Frozen) && v.At.Before(c.ExpiresAt)
	s.Thawable = live && (c.Reason == credential.FrozenByOwner || c.Reason == credential.LeftProject && v.By.In(c.ProjectID, identity.Deputy))
	s.Deletable = live || c.Status == credential.Intended && c.Over(v.At) == ""
	records, err := p.Broker.ListAudit(v.Context(), v.By, audit.Filter{Subject: c.ID, Limit: 20})
	s.History, s.Notice = wording.History(records), noticeOf(v, c)
	return s, err
}

type keyPage struct {
	shown
	Rights     s3key.Rights
	Revealable bool
}

func (p *Portal) key(v *frame.View) error {
	c, err := p.Broker.Show(v.Context(), v.By, v.PathValue("credential"))
	if err != nil {
		return err
	}
	if c.Kind != s3key.Name {
		return v.Redirect(place(c))
	}
	page := keyPage{}
	if page.shown, err = p.shown(v, c); err != nil {
		return err
	}
	if page.Rights, err = s3key.ParseRights(c.Spec); err != nil {
		return err
	}
	page.Revealable = page.Deletable && p.Broker.Reveal && page.Mine
	return frame.Show(v, "key", c.Name, page)
}

// notice is what the page of a credential says after something was done. Since is zero unless every gateway
// confirmed.
type notice struct {
	Text  string
	Since time.Time
}

// notice reads what the redirect after a change carries. A link that claims what is not so says
// nothing.
func noticeOf(v *frame.View, c credential.Credential) notice {
	noun := credential.Noun(c.Kind)
	said, ok := map[string]struct {
		works bool // of one that does
		text  string
	}{
		"extended":  {true, "The " + noun + " has a new end."},
		"thawed":    {true, "The " + noun + " works again."},
		"stored":    {true, "The secret will not be shown again."},
		"completed": {true, "The proxy is in force. Jobs get fresh ones below it."},
		"created":   {true, "The proxy is stored."},
		"frozen":    {false, "The " + noun + " is frozen: refused until you thaw it."},
		"deleted":   {false, "The " + noun + " is deleted: refused for good."},
		"unsure":    {false, "This is written down for good. Not every gateway has confirmed it yet; those that do not answer refuse all keys within a minute."},
	}[v.FormValue("done")]
	if !ok || said.works != c.Usable(v.At) {
		return notice{}
	}
	n := notice{Text: said.text}
	if at, err := strconv.ParseInt(v.FormValue("since"), 10, 64); err == nil && !said.works {
		if t := time.Unix(at, 0); !t.After(v.At) && t.After(v.At.Add(-time.Hour)) {
			n.Since = t
		}
	}
	return n
}

func (p *Portal) extend(v *frame.View) error {
	ctx, cancel := v.Await()
	defer cancel()
	c, err := p.Broker.Extend(ctx, v.By, v.PathValue("credential"), 0, time.Time{}, audit.Once{})
	if err != nil {
		return err
	}
	return v.Redirect(place(c) + "?done=extended")
}

func (p *Portal) freeze(v *frame.View) error { return p.change(v, p.Broker.Freeze, "frozen") }
func (p *Portal) thaw(v *frame.View) error   { return p.change(v, p.Broker.Thaw, "thawed") }

// change runs one of the broker's changes of state and tells how it went: with the time since when
// every gateway refuses the key, for what took something away.
func (p *Portal) change(v *frame.View, f func(context.Context, identity.Actor, string, audit.Once) (broker.Receipt, error), done string) error {
	ctx, cancel := v.Await()
	defer cancel()
	receipt, err := f(ctx, v.By, v.PathValue("credential"), audit.Once{})
	if err != nil {
		return err
	}
	c := receipt.Credentials[0]
	switch {
	case done == "thawed", c.Kind == proxy.Name: // gateways know no proxies
	case receipt.RefusedSince.IsZero():
		done = "unsure"
	default:
		done = fmt.Sprintf("%s&since=%d", done, receipt.RefusedSince.Unix())
	}
	return v.Redirect(place(c) + "?done=" + done)
}

type deletePage struct {
	credential.Credential
	Noun, Place string
	Busy        bool // used in the last day
	Theirs      bool // somebody else's
	Fault       *fault.Fault
}

func (p *Portal) deleting(v *frame.View) (deletePage, error) {
	c, err := p.Broker.Show(v.Context(), v.By, v.PathValue("credential"))
	busy := !c.LastUsedAt.IsZero() && v.At.Sub(c.LastUsedAt) < 24*time.Hour
	return deletePage{Credential: c, Noun: credential.Noun(c.Kind), Place: place(c), Busy: busy, Theirs: c.OwnerID != v.By.AccountID}, err
}

func (p *Portal) deleteForm(v *frame.View) error {
	page, err := p.deleting(v)
	if err != nil {
		return err
	}
	return frame.Show(v, "delete", "Delete "+page.Name, page)
}

func (p *Portal) delete(v *frame.View) error {
	page, err := p.deleting(v)
	if err != nil {
		return err
	}
	if typed := strings.TrimSpace(v.PostFormValue("name")); (page.Busy || page.Theirs) && typed != page.Name {
		page.Fault = v.Refused(fault.New(fault.Invalid, "that is not the %s's name", page.Noun).WithHint("nothing was deleted; type %s", page.Name))
		return frame.Show(v, "delete", "Delete "+page.Name, page)
	}
	return p.change(v, p.Broker.End, "deleted")
}
