package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// preset is one answer to "how long?".
type preset struct {
	Value, Text string
	Ends        time.Time
}

// keyForm is what the person filled in; it is shown again when something is wrong.
type keyForm struct {
	Name, Life, Until, Mode string
	Grants                  [3]s3key.Grant
	Once                    string // makes a double submit one key
}

// Values of Life beside durations.
const (
	untilDay        = "until"
	untilProjectEnd = "end"
)

// formOf reads a form, or an address that fills one in: after signing in again, or as a link in
// somebody's guide.
func formOf(q url.Values) keyForm {
	f := keyForm{Name: q.Get("name"), Life: q.Get("life"), Until: q.Get("until"), Mode: q.Get("mode"), Once: q.Get("once")}
	if f.Mode == "" {
		f.Mode = string(s3key.ReadWrite)
	}
	for i := range f.Grants {
		n := strconv.Itoa(i + 1)
		f.Grants[i] = s3key.Grant{Bucket: strings.TrimSpace(q.Get("bucket" + n)), Prefix: q.Get("prefix" + n),
			Read: q.Get("read"+n) != "", Write: q.Get("write"+n) != "", Delete: q.Get("delete"+n) != ""}
	}
	return f
}

func (p *Portal) newKey(v *view) error {
	f := formOf(v.URL.Query())
	for i, g := range f.Grants {
		f.Grants[i].Read = g.Read || !g.Write && !g.Delete
	}
	return p.keyForm(v, f, nil)
}

func (p *Portal) keyForm(v *view, f keyForm, wrong *fault.Fault) error {
	view, err := p.Broker.ShowProject(v.Context(), v.by, v.PathValue("project"))
	if err == nil {
		err = view.RefuseWork(v.at)
	}
	if err != nil {
		return err
	}
	f.Once = rand.Text() // nothing has been made under an older one, or we would not be here
	page := newKeyPage{Project: view, Form: f, Fault: wrong, Latest: v.at.Add(view.Life.Max), Presets: presets(view, v.at)}
	if page.Form.Life == "" {
		page.Form.Life = usual(page.Presets, v.at.Add(view.Life.Default))
	}
	return show(v, "newkey", "New key", page)
}

// presets are the lives to choose from: round ones that are allowed, the project's own, and the
// time that the project has left if that is less.
func presets(view broker.ProjectView, now time.Time) []preset {
	const day = 24 * time.Hour
	lives := []time.Duration{time.Hour, 8 * time.Hour, day, 7 * day, 30 * day}
	cut := !view.EndsAt.IsZero() && !view.EndsAt.After(now.Add(view.Life.Max+time.Second))
	if !cut {
		lives = append(lives, view.Life.Default, view.Life.Max)
	}
	slices.Sort(lives)
	var out []preset
	for _, life := range slices.Compact(lives) {
		if life <= view.Life.Max {
			out = append(out, preset{life.String(), credential.Words(life), now.Add(life)})
		}
	}
	if cut {
		out = append(out, preset{untilProjectEnd, "as long as the project", view.EndsAt})
	}
	return out
}

// usual is the last preset that ends no later than the default would; else the shortest.
func usual(ps []preset, end time.Time) string {
	best := ps[0].Value
	for _, p := range ps {
		if !p.Ends.After(end.Add(time.Second)) {
			best = p.Value
		}
	}
	return best
}

func (p *Portal) createKey(v *view) error {
	f := formOf(v.PostForm)
	issued, err := p.issue(v, f)
	if wrong := v.refused(err); err != nil && wrong != nil {
		return p.keyForm(v, f, wrong)
	}
	if err != nil {
		return err
	}
	return p.showOnce(v, issued)
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
	o := credential.Order{Kind: s3key.Name, ProjectID: v.PathValue("project"), Name: strings.TrimSpace(f.Name)}
	r, err := f.rights()
	if err != nil {
		return o, err
	}
	if o.Spec, err = json.Marshal(r); err != nil {
		return o, err
	}
	if f.Life != untilDay && f.Life != untilProjectEnd {
		if o.Life, err = time.ParseDuration(f.Life); err != nil || o.Life <= 0 {
			return o, fault.New(fault.Invalid, "choose how long the key shall live")
		}
		return o, nil
	}
	view, err := p.Broker.ShowProject(v.Context(), v.by, o.ProjectID)
	if err != nil {
		return o, err
	}
	if f.Life == untilProjectEnd {
		o.Until = view.EndsAt
		return o, nil
	}
	day, err := time.Parse(time.DateOnly, strings.TrimSpace(f.Until))
	if err != nil {
		return o, fault.New(fault.Invalid, "%.20q is not a date", f.Until).WithHint("write it like %s", v.at.Add(24*time.Hour).UTC().Format(time.DateOnly))
	}
	// A day means all of it, but the last day that is allowed ends when the rule says.
	o.Until = day.Add(24*time.Hour - time.Second)
	if latest := v.at.Add(view.Life.Max); latest.After(day) && latest.Before(o.Until) {
		o.Until = latest
	}
	return o, nil
}

// rights are what the form says that the key may do. What contradicts itself is refused, because
// the person may have meant less than they would get.
func (f keyForm) rights() (s3key.Rights, error) {
	r := s3key.Rights{Mode: s3key.Mode(f.Mode)}
	for _, g := range f.Grants {
		switch {
		case g.Bucket != "":
			r.Grants = append(r.Grants, g)
		case g.Prefix != "":
			return r, fault.New(fault.Invalid, "%.40q stands in a row without a bucket", g.Prefix).WithHint("name the bucket in the same row")
		}
	}
	switch {
	case r.Mode == s3key.Custom && len(r.Grants) == 0:
		return r, fault.New(fault.Invalid, "no bucket is named").WithHint("name at least one, or let the key use everything")
	case r.Mode != s3key.Custom && len(r.Grants) > 0:
		return r, fault.New(fault.Invalid, "buckets are named, but the key would reach everything in the project").WithHint("choose “only these buckets”, or empty the rows")
	}
	return r, nil
}
