package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

type newKeyPage struct {
	Project broker.ProjectView
	Form    keyForm
	Fault   *fault.Fault
	Presets []preset
	Latest  time.Time
}

type preset struct {
	Life time.Duration
	Ends time.Time
}

// keyForm is what the person filled in; it is shown again when something is wrong.
type keyForm struct {
	Name, Life, Until, Mode string
	Grants                  [3]grantForm
	Once                    string // makes a double submit one key
}

type grantForm struct {
	Bucket, Prefix      string
	Read, Write, Delete bool
}

func (p *Portal) newKey(v *view) error {
	f := keyForm{Once: rand.Text(), Mode: string(s3key.ReadWrite)}
	f.Grants[0] = grantForm{Read: true}
	return p.keyForm(v, f, nil)
}

func (p *Portal) keyForm(v *view, f keyForm, wrong *fault.Fault) error {
	view, err := p.Broker.ShowProject(v.Context(), v.by, v.PathValue("project"))
	if err != nil {
		return err
	}
	page := newKeyPage{Project: view, Form: f, Fault: wrong, Latest: v.at.Add(view.Life.Max)}
	for _, life := range []time.Duration{time.Hour, 8 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
		if life <= view.Life.Max {
			page.Presets = append(page.Presets, preset{life, v.at.Add(life)})
		}
	}
	if page.Form.Life == "" {
		page.Form.Life = view.Life.Default.String()
	}
	return v.show("newkey", "New key", page)
}

func (p *Portal) createKey(v *view) error {
	if err := v.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "the form did not arrive completely").WithCause(err)
	}
	f := keyForm{Name: v.PostForm.Get("name"), Life: v.PostForm.Get("life"), Until: v.PostForm.Get("until"), Mode: v.PostForm.Get("mode"), Once: v.PostForm.Get("once")}
	for i := range f.Grants {
		n := string(rune('0' + i))
		f.Grants[i] = grantForm{v.PostForm.Get("bucket" + n), v.PostForm.Get("prefix" + n),
			v.PostForm.Get("read"+n) != "", v.PostForm.Get("write"+n) != "", v.PostForm.Get("delete"+n) != ""}
	}
	issued, err := p.issue(v, f)
	if wrong := fault.Public(err); err != nil && (wrong.Code == fault.Invalid || wrong.Code == fault.Limited) {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
		return p.keyForm(v, f, wrong)
	}
	if err != nil {
		return err
	}
	once, err := p.Login.PutReveal(v.Context(), v.by, secretOf(issued))
	if err != nil {
		return err
	}
	return v.redirect("/keys/" + issued.Credential.ID + "/secret?once=" + once)
}

func (p *Portal) issue(v *view, f keyForm) (broker.Issued, error) {
	o, err := p.order(v, f)
	if err != nil {
		return broker.Issued{}, err
	}
	once := audit.Once{}
	if f.Once != "" {
		sum := sha256.Sum256([]byte(v.PostForm.Encode()))
		once = audit.Once{Key: "form " + f.Once, Fingerprint: hex.EncodeToString(sum[:])}
	}
	ctx, cancel := v.await()
	defer cancel()
	return p.Broker.Issue(ctx, v.by, o, once)
}

// order translates the form. The rules are the broker's and the kind's.
func (p *Portal) order(v *view, f keyForm) (credential.Order, error) {
	o := credential.Order{Kind: "s3key", ProjectID: v.PathValue("project"), Name: f.Name}
	rights := s3key.Rights{Mode: s3key.Mode(f.Mode)}
	if rights.Mode == s3key.Custom {
		for _, g := range f.Grants {
			if g.Bucket != "" {
				rights.Grants = append(rights.Grants, s3key.Grant(g))
			}
		}
	}
	var err error
	if o.Spec, err = json.Marshal(rights); err != nil {
		return o, err
	}
	if f.Life != "until" {
		if o.Life, err = time.ParseDuration(f.Life); err != nil || o.Life <= 0 {
			return o, fault.New(fault.Invalid, "choose how long the key shall live")
		}
		return o, nil
	}
	day, err := time.Parse(time.DateOnly, f.Until)
	if err != nil {
		return o, fault.New(fault.Invalid, "%.20q is not a date", f.Until).WithHint("write it like %s", v.at.Add(24*time.Hour).Format(time.DateOnly))
	}
	// A day means all of it, but the last day that is allowed ends when the rule says.
	o.Until = day.Add(24*time.Hour - time.Second)
	view, err := p.Broker.ShowProject(v.Context(), v.by, o.ProjectID)
	if latest := v.at.Add(view.Life.Max); err == nil && latest.After(day) && latest.Before(o.Until) {
		o.Until = latest.Truncate(time.Second)
	}
	return o, err
}

type keyPage struct {
	credential.Credential
	Rights  s3key.Rights
	Usable  bool
	Mine    bool
	Latest  time.Time // the end that extending would give now
	History []audit.Record
	Notice  string
}

func (p *Portal) key(v *view) error {
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	if err != nil {
		return err
	}
	page := keyPage{Credential: c, Usable: c.Usable(v.at), Mine: c.OwnerID == v.by.AccountID, Notice: notices[v.FormValue("done")]}
	if page.Rights, err = s3key.ParseRights(c.Spec); err != nil {
		return err
	}
	view, err := p.Broker.ShowProject(v.Context(), v.by, c.ProjectID)
	if err == nil {
		page.Latest = v.at.Add(view.Life.Max)
		if !view.EndsAt.IsZero() && view.EndsAt.Before(page.Latest) {
			page.Latest = view.EndsAt
		}
	} else if fault.CodeOf(err) != fault.NotFound { // somebody who left still sees their keys
		return err
	}
	if page.History, err = p.Broker.ListAudit(v.Context(), v.by, audit.Filter{Subject: c.ID, Limit: 20}); err != nil && fault.CodeOf(err) != fault.Denied {
		return err
	}
	return v.show("key", c.Name, page)
}

// notices are what the key page says after something was done.
var notices = map[string]string{
	"extended": "The key has a new end.",
	"frozen":   "The key is refused everywhere until you thaw it.",
	"thawed":   "The key works again.",
	"deleted":  "The key is refused everywhere, for good.",
	"unsure":   "This is written down for good. A gateway has not confirmed yet; it refuses the key within a minute at the latest.",
	"stored":   "The secret will not be shown again.",
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

func (p *Portal) deleteForm(v *view) error {
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	if err != nil {
		return err
	}
	return v.show("delete", "Delete "+c.Name, deletePage{Credential: c, Busy: busy(c, v.at)})
}

type deletePage struct {
	credential.Credential
	Busy  bool // used in the last day: its name must be typed
	Wrong bool
}

func busy(c credential.Credential, now time.Time) bool {
	return !c.LastUsedAt.IsZero() && now.Sub(c.LastUsedAt) < 24*time.Hour
}

func (p *Portal) delete(v *view) error {
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	if err != nil {
		return err
	}
	if busy(c, v.at) && v.PostFormValue("name") != c.Name {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
		return v.show("delete", "Delete "+c.Name, deletePage{Credential: c, Busy: true, Wrong: true})
	}
	return p.change(v, p.Broker.End, "deleted")
}
