package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/material"
)

type revealPage struct {
	credential.Credential
	Once             string
	Endpoint, Region string
	// Secret is a plain string, because this page is the one that shows it.
	Secret  string
	Clients []clientText
	// Again says that the secret can be seen later too.
	Again bool
}

// clientText is the configuration of one client: a file to put at Path, and a command to try.
type clientText struct{ Name, Title, Path, Text, Try string }

// showOnce sends the browser to the page that shows what was issued, to this session alone and for
// ten minutes.
func (p *Portal) showOnce(v *frame.View, issued broker.Issued) error {
	text, err := json.Marshal(issued.Material)
	if err != nil {
		return err
	}
	once, err := p.Login.PutReveal(v.Context(), v.By, text)
	if err != nil {
		return err
	}
	return v.Redirect("/keys/" + issued.Credential.ID + "/secret?once=" + once)
}

// again shows an older key's secret once more, where the operator allows it.
func (p *Portal) again(v *frame.View) error {
	issued, err := p.Broker.Again(v.Context(), v.By, v.PathValue("credential"))
	if err != nil {
		return err
	}
	return p.showOnce(v, issued)
}

func (p *Portal) reveal(v *frame.View) error {
	c, a, err := p.revealed(v)
	if c.ID != "" && fault.CodeOf(err) == fault.NotFound {
		v.Status = http.StatusGone
		return frame.Show(v, "message", "The secret is no longer shown", frame.Message{Fault: fault.Public(err), RequestID: v.By.RequestID, To: "/keys/" + c.ID, LinkText: "The key"})
	}
	if err != nil {
		return err
	}
	page := revealPage{Credential: c, Once: v.FormValue("once"), Endpoint: p.Endpoint, Region: p.Region, Secret: a.Keys.SecretAccessKey.Reveal(), Again: p.Broker.Reveal}
	for _, t := range p.Targets {
		path, text := t.Snippet(a)
		page.Clients = append(page.Clients, clientText{t.Name(), t.Title(), path, text, t.Try(a)})
	}
	return frame.Show(v, "reveal", "Secret of "+c.Name, page)
}

// revealed returns the key that the address names, and what the one-time link shows until it is put
// away; a NotFound fault with a key means that it was.
func (p *Portal) revealed(v *frame.View) (credential.Credential, deliver.Access, error) {
	c, err := p.Broker.Show(v.Context(), v.By, v.PathValue("credential"))
	if err != nil {
		return credential.Credential{}, deliver.Access{}, err
	}
	text, err := p.Login.Reveal(v.Context(), v.By, v.FormValue("once"))
	if err != nil {
		return c, deliver.Access{}, err
	}
	var m material.Material
	if err := json.Unmarshal(text, &m); err != nil || m.S3 == nil || m.S3.AccessKeyID != c.PublicID {
		return c, deliver.Access{}, fault.New(fault.NotFound, "this link shows the secret of another key").WithCause(err)
	}
	return c, deliver.Access{Name: deliver.DefaultName(c.ProjectName), Project: c.ProjectName, Endpoint: p.Endpoint, Region: p.Region, Keys: *m.S3, ExpiresAt: c.ExpiresAt}, nil
}

func (p *Portal) stored(v *frame.View) error {
	if err := p.Login.EndReveal(v.Context(), v.By, v.PostFormValue("once")); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	to := "/keys/" + v.PathValue("credential")
	if !p.Broker.Reveal {
		to += "?done=stored"
	}
	return v.Redirect(to)
}

func (p *Portal) download(v *frame.View) error {
	_, a, err := p.revealed(v)
	if err != nil {
		return err
	}
	for _, t := range p.Targets {
		if t.Name() == v.PathValue("client") {
			file, text := t.Snippet(a)
			v.Answer.Header().Set("Content-Type", "text/plain; charset=utf-8")
			// Browsers change or hide names that begin with a dot.
			v.Answer.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", strings.TrimPrefix(path.Base(file), ".")))
			_, _ = v.Answer.Write([]byte(text)) // the person may have left: nothing to do about it
			return nil
		}
	}
	return fault.New(fault.NotFound, "there is no client %.40q", v.PathValue("client"))
}
