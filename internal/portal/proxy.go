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
	"github.com/lanyardhq/lanyard/internal/portal/frame"
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
func (p *Portal) proxies(v *frame.View) error {
	page := proxiesPage{Project: v.FormValue("project"), Ended: v.FormValue("ended") != ""}
	f := v.List(proxy.Name)
	if page.Project != "" {
		f.ProjectID, f.OwnerID = page.Project, ""
	}
	found, err := p.Broker.ListCredentials(v.Context(), v.By, f)
	if err != nil {
		return err
	}
	found, page.Next = frame.Page(found)
	for _, c := range found {
		spec, err := proxy.ParseSpec(c.Spec)
		if err != nil {
			return err
		}
		page.Proxies = append(page.Proxies, proxyRow{c, spec})
	}
	return frame.Show(v, "proxies", "Proxies", page)
}

type proxyPage struct {
	shown
	Spec                  proxy.Spec
	Request, Certificates bool // there is one to be downloaded
	Waits                 bool // for somebody to sign the request
	Fault                 *fault.Fault
}

func (p *Portal) proxy(v *frame.View) error { return p.proxyPage(v, nil) }

func (p *Portal) proxyPage(v *frame.View, wrong *fault.Fault) error {
	got, err := p.Broker.Inspect(v.Context(), v.By, v.PathValue("credential"))
	if err != nil {
		return err
	}
	c := got.Credential
	if c.Kind != proxy.Name {
		return v.Redirect(place(c))
	}
	page := proxyPage{Fault: wrong, Waits: c.Status == credential.Intended && c.Over(v.At) == ""}
	if page.shown, err = p.shown(v, c); err != nil {
		return err
	}
	if page.Spec, err = proxy.ParseSpec(c.Spec); err != nil {
		return err
	}
	if x := got.Material.X509; x != nil {
		page.Request, page.Certificates = x.Request != "", x.PEM != ""
	}
	return frame.Show(v, "proxy", c.Name, page)
}

// answerRequest takes the chain that somebody signed for a delegation.
func (p *Portal) answerRequest(v *frame.View) error {
	chain, err := v.File("chain")
	if err == nil {
		ctx, cancel := v.Await()
		defer cancel()
		_, err = p.Broker.Complete(ctx, v.By, v.PathValue("credential"), chain.Reveal(), audit.Once{})
	}
	if fault.CodeOf(err) == fault.Invalid {
		return p.proxyPage(v, v.Refused(err))
	}
	if err != nil {
		return err
	}
	return v.Redirect("/proxies/" + v.PathValue("credential") + "?done=completed")
}

func (p *Portal) requestFile(v *frame.View) error {
	return p.proxyFile(v, "request.pem", func(x *material.Proxy) string { return x.Request })
}

func (p *Portal) certificatesFile(v *frame.View) error {
	return p.proxyFile(v, "certificates.pem", func(x *material.Proxy) string { return x.PEM.Reveal() })
}

// proxyFile sends what may be seen of a proxy at any time.
func (p *Portal) proxyFile(v *frame.View, name string, of func(*material.Proxy) string) error {
	got, err := p.Broker.Inspect(v.Context(), v.By, v.PathValue("credential"))
	if err != nil {
		return err
	}
	if got.Material.X509 == nil || of(got.Material.X509) == "" {
		return fault.New(fault.NotFound, "there is no such file for this proxy")
	}
	v.Answer.Header().Set("Content-Type", "application/x-pem-file")
	v.Answer.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = io.WriteString(v.Answer, of(got.Material.X509)) // the person may have left: nothing to do about it
	return nil
}

// workable are the projects in which somebody can make something.
func (p *Portal) workable(v *frame.View) ([]broker.ProjectView, error) {
	all, err := p.Broker.ListProjects(v.Context(), v.By)
	return slices.DeleteFunc(all, func(view broker.ProjectView) bool {
		return view.RefuseWork(v.At) != nil || !v.By.In(view.ID, identity.User)
	}), err
}
