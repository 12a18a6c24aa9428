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
	for pattern, page := range map[string]func(*frame.View) error{
		"GET /tokens": p.list,
	} {
		mux.Handle(pattern, site.Page(page))
	}
}

func (p *Pages) list(v *frame.View) error { return v.Redirect("/projects") }
