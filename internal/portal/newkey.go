package portal

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/portal/form"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

type newKeyPage struct {
	Project broker.ProjectView
	Form    form.Key
	Fault   *fault.Fault
	How     form.Choice
}

func (p *Portal) newKey(v *frame.View) error {
	f := form.KeyOf(v.URL.Query())
	for i, g := range f.Grants {
		f.Grants[i].Read = g.Read || !g.Write && !g.Delete
	}
	return p.keyForm(v, f, nil)
}

func (p *Portal) keyForm(v *frame.View, f form.Key, wrong *fault.Fault) error {
	view, err := p.Broker.ShowProject(v.Context(), v.By, v.PathValue("project"))
	if err == nil {
		err = view.RefuseWork(v.At)
	}
	if err != nil {
		return err
	}
	f.Once = rand.Text() // nothing has been made under an older one, or we would not be here
	return frame.Show(v, "newkey", "New key", newKeyPage{Project: view, Form: f, Fault: wrong, How: form.Ask(view.Life, view.EndsAt, v.At, f.Life, f.Until)})
}

func (p *Portal) createKey(v *frame.View) error {
	f := form.KeyOf(v.PostForm)
	issued, err := p.issue(v, f)
	if wrong := v.Refused(err); err != nil && wrong != nil {
		return p.keyForm(v, f, wrong)
	}
	if err != nil {
		return err
	}
	return p.showOnce(v, issued)
}

func (p *Portal) issue(v *frame.View, f form.Key) (broker.Issued, error) {
	o, err := p.order(v, f)
	if err != nil {
		return broker.Issued{}, err
	}
	ctx, cancel := v.Await()
	defer cancel()
	return p.Broker.Issue(ctx, v.By, o, form.Promise(f.Once, v.PostForm))
}

// order translates the form. The rules are the broker's and the kind's.
func (p *Portal) order(v *frame.View, f form.Key) (credential.Order, error) {
	o := credential.Order{Kind: s3key.Name, ProjectID: v.PathValue("project"), Name: strings.TrimSpace(f.Name)}
	r, err := f.Rights()
	if err != nil {
		return o, err
	}
	if o.Spec, err = json.Marshal(r); err != nil {
		return o, err
	}
	return o, p.live(v, &o, f.Life, f.Until)
}

// live sets in an order how long somebody chose.
func (p *Portal) live(v *frame.View, o *credential.Order, life, until string) error {
	if life != form.UntilDay && life != form.UntilProjectEnd {
		return form.Chosen(o, life, until, v.At, time.Time{}, time.Time{})
	}
	view, err := p.Broker.ShowProject(v.Context(), v.By, o.ProjectID)
	if err != nil {
		return err
	}
	return form.Chosen(o, life, until, v.At, view.EndsAt, v.At.Add(p.Broker.Lifetime(view.Project, o.Kind).Max))
}
