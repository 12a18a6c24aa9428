package portal

import (
	"net/url"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/project"
)

// few is how many rows need no search.
const few = 5

type projectsPage struct {
	Projects  []broker.ProjectView
	Search    string
	Searches  bool // there are enough to search among
	AccountID string
}

func (p *Portal) projects(v *frame.View) error {
	all, err := p.Broker.ListProjects(v.Context(), v.By)
	if err != nil {
		return err
	}
	page := projectsPage{Search: v.FormValue("q"), Searches: len(all) > few, AccountID: v.By.AccountID}
	if len(all) == 1 && page.Search == "" {
		return v.Redirect("/projects/" + all[0].Name)
	}
	for _, view := range all {
		if contains(page.Search, view.Name, view.Title) {
			page.Projects = append(page.Projects, view)
		}
	}
	return frame.Show(v, "projects", "Projects", page)
}

// contains reports whether what somebody searches for stands in one of the texts.
func contains(search string, texts ...string) bool {
	search = strings.ToLower(strings.TrimSpace(search))
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), search) })
}

type projectPage struct {
	broker.ProjectView
	Keys     []keyRow
	Matches  int    // keys that the search found, of which Keys are the first
	Next     string // address of the next page; empty on the last
	List     keyList
	Searches bool
	Members  []project.Member
	Steward  bool // sees and ends everybody's keys
	InForce  bool
	// Endpoint and Region are what programs want to know.
	Endpoint, Region string
}

type keyRow struct {
	credential.Credential
	Rights s3key.Rights
}

// keyList says which of a project's keys are shown: those that match, also those that ended, only
// one's own, those after an id. Empty fields leave it open.
type keyList struct{ Project, Search, Ended, Mine, After string }

// With is the address of the list from its beginning, with one setting changed.
func (l keyList) With(name, value string) string {
	settings := map[string]string{"q": l.Search, "ended": l.Ended, "mine": l.Mine}
	settings[name] = value
	q := url.Values{}
	for k, v := range settings {
		if v != "" {
			q.Set(k, v)
		}
	}
	return (&url.URL{Path: "/projects/" + l.Project, RawQuery: q.Encode()}).String()
}

func (p *Portal) project(v *frame.View) error {
	view, err := p.Broker.ShowProject(v.Context(), v.By, v.PathValue("project"))
	if err != nil {
		return err
	}
	page := projectPage{ProjectView: view, Steward: v.By.In(view.ID, identity.Deputy), InForce: view.InForce(v.At), Endpoint: p.Endpoint, Region: p.Region,
		List: keyList{Project: view.Name, Search: v.FormValue("q"), Ended: v.FormValue("ended"), Mine: v.FormValue("mine"), After: v.FormValue("after")}}
	if err := p.listKeys(v, &page); err != nil {
		return err
	}
	if page.Members, err = p.Broker.ListMembers(v.Context(), v.By, view.ID); err != nil {
		return err
	}
	return frame.Show(v, "project", view.Name+" "+view.Title, page)
}

// listKeys fills in the keys: a page of them, or the first that a search finds among all.
func (p *Portal) listKeys(v *frame.View, page *projectPage) error {
	f := v.List(s3key.Name)
	f.ProjectID = page.ID
	if page.List.Mine == "" {
		f.OwnerID = ""
	}
	if page.List.Search != "" {
		f.Before, f.Limit = "", 0
	}
	keys, err := p.Broker.ListCredentials(v.Context(), v.By, f)
	if err != nil {
		return err
	}
	page.Searches = page.List.Search != "" || page.List.After != "" || len(keys) > few
	keys = slices.DeleteFunc(keys, func(c credential.Credential) bool {
		return !contains(page.List.Search, c.Name, c.PublicID, c.OwnerName)
	})
	page.Matches = len(keys)
	keys, next := frame.Page(keys)
	if next != "" && page.List.Search == "" {
		page.Next = page.List.With("after", next)
	}
	for _, c := range keys {
		r, err := s3key.ParseRights(c.Spec)
		if err != nil {
			return err
		}
		page.Keys = append(page.Keys, keyRow{c, r})
	}
	return nil
}
