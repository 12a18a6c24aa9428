// Package tokens is the portal's pages about tokens and approvals: the grants that people have at
// providers, how they approve one and end it, and the consent to what an application asks for by
// the API of mytoken. It translates pages into calls of broker, custody and subgrant and holds no
// rule. It imports rows 0 to 3.
package tokens

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

//go:embed templates/*.html
var files embed.FS

// Pages are the pages. Broker and Custody are required.
type Pages struct {
	Broker  *broker.Broker
	Custody *custody.Custody
	// Subgrants are mytokens; nil if there are none here.
	Subgrants *subgrant.Service
}

// Templates implements portal.Section.
func (p *Pages) Templates() fs.FS {
	folder, err := fs.Sub(files, "templates")
	if err != nil {
		panic(err) // it is compiled in
	}
	return folder
}

// Mount implements portal.Section: read it first, it is the table of pages.
func (p *Pages) Mount(mux *http.ServeMux, site *frame.Site) {
	page := func(pattern string, f func(*frame.View) error) { mux.Handle(pattern, site.Page(f)) }
	page("GET /tokens", p.list)
	page("GET /tokens/new", p.newGrant)
	page("POST /tokens/new", p.order)
	page("GET /tokens/{grant}", p.grant)
	page("POST /tokens/{grant}/extend", p.extend)
	page("POST /tokens/{grant}/pause", p.pause)
	page("POST /tokens/{grant}/continue", p.resume)
	page("GET /tokens/{grant}/narrow", p.narrowForm)
	page("POST /tokens/{grant}/narrow", p.narrow)
	page("GET /tokens/{grant}/end", p.endForm)
	page("POST /tokens/{grant}/end", p.end)
	page("GET /approvals/{grant}", p.approval)
	page("POST /approvals/{grant}", p.decide)
	page("GET /approvals/callback/{provider}", p.callback)
	if p.Subgrants != nil {
		page("GET /tokens/{grant}/subtokens/{subgrant}", p.subgrant)
		page("POST /tokens/{grant}/subtokens/{subgrant}/end", p.endSubgrant)
		page("GET /approvals/mytoken/{code}", p.consent)
		page("POST /approvals/mytoken/{code}", p.decideConsent)
	}
}
