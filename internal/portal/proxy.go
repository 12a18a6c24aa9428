package portal

import (
	"io"
	"slices"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/material"
)

type proxiesPage struct {
	Proxies []proxyRow
	Project string // the one whose proxies are shown; empty: one's own everywhere
	Ended   bool   // also those that have ended
	Next    string // id to continue after; empty on the last page
}

type proxyRow struct {
	credential.Credential
	Spec proxy.Spec
}

// proxies lists one's own proxies or, for its managers and deputies, those of a project.
func (p *Portal) proxies(v *view) error {
	page := proxiesPage{Project: v.FormValue("project"), Ended: v.FormValue("ended") != ""}
	f := credential.Filter{Kind: proxy.Name, ProjectID: page.Project, OwnerID: v.by.AccountID, Before: v.FormValue("after"), Limit: perPage + 1}
	if page.Project != "" {
		f.OwnerID = ""
	}
	if !page.Ended {
		f.Statuses = []credential.Status{credential.Intended, credential.Active, credential.Frozen}
	}
	found, err := p.Broker.ListCredentials(v.Context(), v.by, f)
	if err != nil {
		return err
	}
	if len(found) > perPage {
		found = found[:perPage]
		page.Next = found[perPage-1].ID
	}
	for _, c := range found {
		spec, err := proxy.ParseSpec(c.Spec)
		if err != nil {
			return err
		}
		page.Proxies = append(page.Proxies, proxyRow{c, spec})
	}
	return show(v, "proxies", "Proxies", page)
}

type proxyPage struct {
	shown
	Spec                  proxy.Spec
	Request, Certificates bool // there is one to be downloaded
	Waits                 bool // for somebody to sign the request
	Fault                 *fault.Fault
}

func (p *Portal) proxy(v *view) error { return p.proxyPage(v, nil) }

func (p *Portal) proxyPage(v *view, wrong *fault.Fault) error {
	got, err := p.Broker.Inspect(v.Context(), v.by, v.PathValue("credential"))
	if err != nil {
		return err
	}
	c := got.Credential
	if c.Kind != proxy.Name {
		return v.redirect(place(c))
	}
	page := proxyPage{Fault: wrong, Waits: c.Status == credential.Intended && c.Over(v.at) == ""}
	if page.shown, err = p.shown(v, c); err != nil {
		return err
	}
	if page.Spec, err = proxy.ParseSpec(c.Spec); err != nil {
		return err
	}
	if x := got.Material.X509; x != nil {
		page.Request, page.Certificates = x.Request != "", x.PEM != ""
	}
	return show(v, "proxy", c.Name, page)
}

// answerRequest takes the chain that somebody signed for a delegation.
func (p *Portal) answerRequest(v *view) error {
	chain, err := v.file("chain")
	if err == nil {
		ctx, cancel := v.await()
		defer cancel()
		_, err = p.Broker.Complete(ctx, v.by, v.PathValue("credential"), chain.Reveal(), audit.Once{})
	}
	if fault.CodeOf(err) == fault.Invalid {
		return p.proxyPage(v, v.refused(err))
	}
	if err != nil {
		return err
	}
	return v.redirect("/proxies/" + v.PathValue("credential") + "?done=completed")
}

func (p *Portal) requestFile(v *view) error {
	return p.proxyFile(v, "request.pem", func(x *material.Proxy) string { return x.Request })
}

func (p *Portal) certificatesFile(v *view) error {
	return p.proxyFile(v, "certificates.pem", func(x *material.Proxy) string { return x.PEM.Reveal() })
}

// proxyFile sends what may be seen of a proxy at any time.
func (p *Portal) proxyFile(v *view, name string, of func(*material.Proxy) string) error {
	got, err := p.Broker.Inspect(v.Context(), v.by, v.PathValue("credential"))
	if err != nil {
		return err
	}
	if got.Material.X509 == nil || of(got.Material.X509) == "" {
		return fault.New(fault.NotFound, "there is no such file for this proxy")
	}
	v.w.Header().Set("Content-Type", "application/x-pem-file")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = io.WriteString(v.w, of(got.Material.X509)) // the person may have left: nothing to do about it
	return nil
}

// file is the text of a file that a form carries, empty if none was chosen.
func (v *view) file(name string) (material.Secret, error) {
	if err := v.ParseMultipartForm(maxForm); err != nil {
		return "", fault.New(fault.Invalid, "the form did not arrive completely").WithHint("send it again").WithCause(err)
	}
	f, _, err := v.FormFile(name)
	if err != nil {
		return "", nil //nolint:nilerr // no file was chosen
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return material.Secret(text), err
}

// workable are the projects in which somebody can make something.
func (p *Portal) workable(v *view) ([]broker.ProjectView, error) {
	all, err := p.Broker.ListProjects(v.Context(), v.by)
	return slices.DeleteFunc(all, func(view broker.ProjectView) bool {
		return view.RefuseWork(v.at) != nil || !v.by.In(view.ID, identity.User)
	}), err
}
