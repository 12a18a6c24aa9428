package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

// secretOf is what a reveal keeps, sealed, until the person has stored it.
func secretOf(i broker.Issued) []byte {
	text, err := json.Marshal(i.Material)
	if err != nil {
		panic(err) // strings and times always encode
	}
	return text
}

type revealPage struct {
	KeyID, Name, Project, Once string
	Endpoint, Region           string
	// AccessKeyID and Secret are plain strings, because this page is the one that shows them.
	AccessKeyID, Secret string
	ExpiresAt           time.Time
	Clients             []clientText
}

type clientText struct{ Name, Title, Path, Text, Try string }

func (p *Portal) reveal(v *view) error {
	a, m, err := p.revealed(v)
	if err != nil {
		return err
	}
	page := revealPage{KeyID: v.PathValue("key"), Name: a.Name, Project: a.Project, Once: v.FormValue("once"), Endpoint: p.Endpoint, Region: p.Region,
		AccessKeyID: m.S3.AccessKeyID, Secret: m.S3.SecretAccessKey.Reveal(), ExpiresAt: m.ExpiresAt}
	for _, t := range p.Targets {
		path, text := t.Snippet(a)
		page.Clients = append(page.Clients, clientText{t.Name(), t.Title(), path, text, t.Try(a)})
	}
	return v.show("reveal", "Your new key", page)
}

// revealed returns what the one-time link shows, until it is put away.
func (p *Portal) revealed(v *view) (deliver.Access, material.Material, error) {
	var m material.Material
	c, err := p.Broker.Show(v.Context(), v.by, v.PathValue("key"))
	if err != nil {
		return deliver.Access{}, m, err
	}
	text, err := p.Login.Reveal(v.Context(), v.by, v.FormValue("once"))
	if err != nil {
		return deliver.Access{}, m, err
	}
	if err := json.Unmarshal(text, &m); err != nil || m.S3 == nil || m.S3.AccessKeyID != c.PublicID {
		return deliver.Access{}, m, fault.New(fault.NotFound, "this link shows another key").WithCause(err)
	}
	return deliver.Access{Name: deliver.DefaultName(c.ProjectName), Project: c.ProjectName, Endpoint: p.Endpoint, Region: p.Region, Keys: *m.S3, ExpiresAt: m.ExpiresAt}, m, nil
}

func (p *Portal) revealDone(v *view) error {
	if err := p.Login.EndReveal(v.Context(), v.by, v.PostFormValue("once")); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	return v.redirect("/keys/" + v.PathValue("key") + "?done=stored")
}

func (p *Portal) download(v *view) error {
	a, _, err := p.revealed(v)
	if err != nil {
		return err
	}
	for _, t := range p.Targets {
		if t.Name() == v.PathValue("client") {
			file, text := t.Snippet(a)
			v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", path.Base(file)))
			_, _ = v.w.Write([]byte(text))
			return nil
		}
	}
	return fault.New(fault.NotFound, "there is no client %.40q", v.PathValue("client"))
}

// change runs one of the broker's changes of state and tells how it went.
func (p *Portal) change(v *view, f func(context.Context, identity.Actor, string, audit.Once) (broker.Receipt, error), done string) error {
	ctx, cancel := v.await()
	defer cancel()
	receipt, err := f(ctx, v.by, v.PathValue("key"), audit.Once{})
	if err != nil {
		return err
	}
	if receipt.RefusedSince.IsZero() && done != "thawed" {
		done = "unsure"
	}
	http.Redirect(v.w, v.Request, "/keys/"+v.PathValue("key")+"?done="+done, http.StatusSeeOther)
	return nil
}
