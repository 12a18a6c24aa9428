package httpapi

import (
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
)

func (a *API) whoAmI(c *call) (any, error) {
	w := api.WhoAmI{Schema: api.SchemaWhoAmI, Name: c.by.Name, Kind: "operator", Scopes: scopes(c.by.Scopes), Projects: []api.Project{}}
	if !c.by.Operator {
		who, s, err := a.Login.WhoAmI(c.Context(), c.by)
		if err != nil {
			return nil, err
		}
		w.AccountID, w.Name, w.Email, w.Kind = who.ID, who.Name, who.Email, string(who.Kind)
		w.Issuer, w.Subject, w.ExpiresAt = who.Issuer, who.Subject, s.ExpiresAt
	}
	ps, err := a.Broker.ListProjects(c.Context(), c.by)
	if err != nil && fault.CodeOf(err) != fault.Denied { // a token may be for keys alone
		return nil, err
	}
	for _, p := range ps {
		w.Projects = append(w.Projects, a.project(p))
	}
	return w, nil
}

func (a *API) listProjects(c *call) (any, error) {
	ps, err := a.Broker.ListProjects(c.Context(), c.by)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaProjects, ps, nil, a.project), nil
}

func (a *API) showProject(c *call) (any, error) {
	p, err := a.Broker.ShowProject(c.Context(), c.by, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return a.project(p), nil
}

func (a *API) createProject(c *call) (any, error) {
	o, err := projectOrder(c)
	if err != nil {
		return nil, err
	}
	promise, err := once(c)
	if err != nil {
		return nil, err
	}
	p, err := a.Broker.CreateProject(c.Context(), c.by, o, promise)
	if err != nil {
		return nil, err
	}
	c.header.Set("Location", Prefix+"/projects/"+p.ID)
	return created{a.project(p)}, nil
}

func (a *API) changeProject(c *call) (any, error) {
	o, err := projectOrder(c)
	if err != nil {
		return nil, err
	}
	p, err := a.Broker.ChangeProject(c.Context(), c.by, c.PathValue("project"), o)
	if err != nil {
		return nil, err
	}
	return a.project(p), nil
}

func projectOrder(c *call) (o broker.ProjectOrder, err error) {
	req, err := body[api.ProjectOrder](c)
	if err != nil {
		return o, err
	}
	o = broker.ProjectOrder{Name: req.Name, Title: req.Title, Description: req.Description, QuotaBytes: req.QuotaBytes,
		QuotaBuckets: req.QuotaBuckets, EndsAt: req.EndsAt}
	for _, l := range []struct {
		from *int64
		to   **time.Duration
	}{{req.DefaultLife, &o.DefaultLife}, {req.MaxLife, &o.MaxLife}} {
		if l.from != nil {
			d, err := seconds(*l.from)
			if err != nil {
				return o, err
			}
			*l.to = &d
		}
	}
	return o, nil
}

func (a *API) listMembers(c *call) (any, error) {
	ms, err := a.Broker.ListMembers(c.Context(), c.by, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaMembers, ms, nil, member), nil
}

func (a *API) setMember(c *call) (any, error) {
	req, err := body[api.MemberOrder](c)
	if err != nil {
		return nil, err
	}
	m, err := a.Broker.SetMember(c.Context(), c.by, c.PathValue("project"), c.PathValue("account"), identity.Role(req.Role))
	if err != nil {
		return nil, err
	}
	return member(m), nil
}

func (a *API) removeMember(c *call) (any, error) {
	r, err := a.Broker.RemoveMember(c.Context(), c.by, c.PathValue("project"), c.PathValue("account"))
	if err != nil {
		return nil, err
	}
	return a.receipt(c.PathValue("account"), r), nil
}

func (a *API) listRobots(c *call) (any, error) {
	rs, err := a.Login.ListRobots(c.Context(), c.by, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaRobots, rs, nil, robot), nil
}

func (a *API) createRobot(c *call) (any, error) {
	req, err := body[api.RobotOrder](c)
	if err != nil {
		return nil, err
	}
	o := login.RobotOrder{Name: req.Name, Role: identity.Role(req.Role), Until: req.ExpiresAt}
	if o.Life, err = seconds(req.Life); err != nil {
		return nil, err
	}
	for _, s := range req.Scopes {
		o.Scopes = append(o.Scopes, identity.Scope(s))
	}
	made, token, err := a.Login.CreateRobot(c.Context(), c.by, c.PathValue("project"), o)
	if err != nil {
		return nil, err
	}
	w := robot(made)
	w.Token = token
	return created{w}, nil
}

func (a *API) deleteRobot(c *call) (any, error) {
	return nil, a.Login.DeleteRobot(c.Context(), c.by, c.PathValue("robot"))
}

func (a *API) listSessions(c *call) (any, error) {
	ss, err := a.Login.Sessions(c.Context(), c.by)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaSessions, ss, nil, func(s session.Session) api.Session { return sessionOf(s, c.by.SessionID) }), nil
}

func (a *API) endSession(c *call) (any, error) {
	return nil, a.Login.EndSession(c.Context(), c.by, c.PathValue("session"))
}
