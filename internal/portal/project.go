package portal

import (
	"strings"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

type projectsPage struct {
	Projects []broker.ProjectView
	Search   string
	All      int // how many there are without the search
}

func (p *Portal) projects(v *view) error {
	all, err := p.Broker.ListProjects(v.Context(), v.by)
	if err != nil {
		return err
	}
	page := projectsPage{Search: v.FormValue("q"), All: len(all)}
	for _, view := range all {
		if strings.Contains(strings.ToLower(view.Name+" "+view.Title), strings.ToLower(page.Search)) {
			page.Projects = append(page.Projects, view)
		}
	}
	return v.show("projects", "Projects", page)
}

type projectPage struct {
	broker.ProjectView
	Keys    []credential.Credential
	Members []project.Member
	Ended   bool // ended keys are shown too
	Steward bool // sees and ends everybody's keys
	InForce bool
}

func (p *Portal) project(v *view) error {
	view, err := p.Broker.ShowProject(v.Context(), v.by, v.PathValue("project"))
	if err != nil {
		return err
	}
	page := projectPage{ProjectView: view, Ended: v.FormValue("ended") != "", Steward: v.by.In(view.ID, identity.Deputy), InForce: view.InForce(v.at)}
	f := credential.Filter{Kind: "s3key", ProjectID: view.ID, Limit: 500}
	if !page.Ended {
		f.Statuses = []credential.Status{credential.Intended, credential.Active, credential.Frozen}
	}
	if page.Keys, err = p.Broker.ListCredentials(v.Context(), v.by, f); err != nil {
		return err
	}
	if page.Members, err = p.Broker.ListMembers(v.Context(), v.by, view.ID); err != nil {
		return err
	}
	return v.show("project", view.Name+" "+view.Title, page)
}
