package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/portal/form"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/material"
)

// Ways are those by which proxies come here beside upload and delegation, which always work.
type Ways struct{ Certificate, Secrets bool }

type newProxyPage struct {
	Form     proxyForm
	Projects []string
	How      form.Choice
	Ways     Ways
	URL      string // of this server, for commands
	Warning  string // of the way secrets
	Fault    *fault.Fault
}

// proxyForm is what the person filled in, without what is secret.
type proxyForm struct {
	Way                                    proxy.Way
	Project, Name, VOMS, Life, Until, Once string
	Limited                                bool
}

// Lives tells whether there is a choice of how long: an uploaded proxy has its own end.
func (f proxyForm) Lives() bool { return f.Way != proxy.Upload }

func filledIn(v *frame.View) proxyForm {
	return proxyForm{Way: proxy.Way(v.FormValue("way")), Project: v.FormValue("project"), Name: v.FormValue("name"), VOMS: v.FormValue("voms"),
		Life: v.FormValue("life"), Until: v.FormValue("until"), Once: v.FormValue("once"), Limited: v.FormValue("limited") != ""}
}

// newProxy explains the ways, or shows the form of one.
func (p *Portal) newProxy(v *frame.View) error { return p.newProxyForm(v, filledIn(v), nil) }

func (p *Portal) newProxyForm(v *frame.View, f proxyForm, wrong *fault.Fault) error {
	offered := map[proxy.Way]bool{"": true, proxy.Upload: true, proxy.Delegation: true, proxy.Certificate: p.Ways.Certificate, proxy.Secrets: p.Ways.Secrets}
	if !offered[f.Way] {
		return fault.New(fault.NotFound, "proxies do not come here by this way")
	}
	f.Once = rand.Text() // nothing has been made under an older one, or we would not be here
	page := newProxyPage{Form: f, Ways: p.Ways, URL: p.URL, Warning: proxy.SecretsWarning, Fault: wrong}
	all, err := p.workable(v)
	if err != nil {
		return err
	}
	for _, view := range all {
		page.Projects = append(page.Projects, view.Name)
		if view.Name == f.Project || page.How.Presets == nil { // the first is chosen if none is named
			page.How = form.Ask(p.Broker.Lifetime(view.Project, proxy.Name), view.EndsAt, v.At, f.Life, f.Until)
			page.How.Fixed = f.Way == proxy.Certificate // its certificate cannot be made longer
		}
	}
	return frame.Show(v, "newproxy", "New proxy", page)
}

func (p *Portal) createProxy(v *frame.View) error {
	f := filledIn(v)
	issued, err := p.issueProxy(v, f)
	if wrong := v.Refused(err); err != nil && wrong != nil {
		return p.newProxyForm(v, f, wrong)
	}
	if err != nil {
		return err
	}
	to := place(issued.Credential)
	if f.Way == proxy.Upload || f.Way == proxy.Secrets {
		to += "?done=created"
	}
	return v.Redirect(to)
}

func (p *Portal) issueProxy(v *frame.View, f proxyForm) (broker.Issued, error) {
	files := map[string]material.Secret{}
	seen := sha256.New()
	for _, name := range []string{"chain", "key", "request"} {
		text, err := v.File(name)
		if err != nil {
			return broker.Issued{}, err
		}
		files[name] = text
		seen.Write([]byte(text.Reveal() + "\n"))
	}
	seen.Write([]byte(v.PostForm.Encode()))
	vos, err := form.VOMS(f.VOMS)
	if err != nil {
		return broker.Issued{}, err
	}
	o := credential.Order{Kind: proxy.Name, ProjectID: f.Project, Name: strings.TrimSpace(f.Name)}
	if o.Spec, err = json.Marshal(proxy.Wanted{Way: f.Way, VOMS: vos, Limited: f.Limited, Request: files["request"].Reveal()}); err != nil {
		return broker.Issued{}, err
	}
	if f.Lives() {
		if err := p.live(v, &o, f.Life, f.Until); err != nil {
			return broker.Issued{}, err
		}
	}
	secret := proxy.Secret{Chain: files["chain"], Key: files["key"]}
	if phrase := v.PostFormValue("passphrase"); phrase != "" {
		secret.Passphrase = material.Secret(base64.StdEncoding.EncodeToString([]byte(phrase)))
	}
	text, err := json.Marshal(secret)
	if err != nil {
		return broker.Issued{}, err
	}
	o.Secret = material.Secret(text)
	once := audit.Once{}
	if f.Once != "" {
		once = audit.Once{Key: "form " + f.Once, Fingerprint: hex.EncodeToString(seen.Sum(nil))}
	}
	ctx, cancel := v.Await()
	defer cancel()
	return p.Broker.Issue(ctx, v.By, o, once)
}
