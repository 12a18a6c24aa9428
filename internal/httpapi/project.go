package httpapi

import (
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/session"
)

func (a *API) whoAmI(c *call.Call) (any, error) {
	w := api.WhoAmI{Schema: api.SchemaWhoAmI, Name: c.By.Name, Kind: "operator", Scopes: scopes(c.By.Scopes), Projects: []api.Project{}, Notices: []api.Notice{}}
	if !c.By.Operator {
		who, s, err := a.Login.WhoAmI(c.Context(), c.By)
		if err != nil {
			return nil, err
		}
		w.AccountID, w.Name, w.Email, w.Kind = who.ID, who.Name, who.Email, string(who.Kind)
		w.Issuer, w.Subject, w.ExpiresAt = who.Issuer, who.Subject, s.ExpiresAt
	}
	ps, err := a.Broker.ListProjects(c.Context(), c.By)
	if err != nil && fault.CodeOf(err) != fault.Denied { // a token may be for keys alone
		return nil, err
	}
	for _, p := range ps {
		w.Projects = append(w.Projects, a.project(p))
	}
	told, err := a.Broker.Notices(c.Context(), c.By)
	if err != nil {
		return nil, err
	}
	for _, n := range told {
		w.Notices = append(w.Notices, api.Notice{ID: n.ID, Kind: string(n.Kind), Subject: n.Subject, At: n.At, Text: n.Text(), NextStep: n.Next()})
	}
	return w, nil
}

func (a *API) listProjects(c *call.Call) (any, error) {
	ps, err := a.Broker.ListProjects(c.Context(), c.By)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaProjects, ps, nil, a.project), nil
}

func (a *API) showProject(c *call.Call) (any, error) {
	p, err := a.Broker.ShowProject(c.Context(), c.By, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return a.project(p), nil
}

func (a *API) createProject(c *call.Call) (any, error) {
	o, err := projectOrder(c)
	if err != nil {
		return nil, err
	}
	promise, err := c.Once()
	if err != nil {
		return nil, err
	}
	p, err := a.Broker.CreateProject(c.Context(), c.By, o, promise)
	if err != nil {
		return nil, err
	}
	c.Reply.Set("Location", Prefix+"/projects/"+p.ID)
	return call.Created{Answer: a.project(p)}, nil
}

func (a *API) changeProject(c *call.Call) (any, error) {
	o, err := projectOrder(c)
	if err != nil {
		return nil, err
	}
	p, err := a.Broker.ChangeProject(c.Context(), c.By, c.PathValue("project"), o)
	if err != nil {
		return nil, err
	}
	return a.project(p), nil
}

func projectOrder(c *call.Call) (o broker.ProjectOrder, err error) {
	req, err := call.Body[api.ProjectOrder](c)
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
			d, err := call.Seconds(*l.from)
			if err != nil {
				return o, err
			}
			*l.to = &d
		}
	}
	return o, nil
}

func (a *API) listMembers(c *call.Call) (any, error) {
	ms, err := a.Broker.ListMembers(c.Context(), c.By, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaMembers, ms, nil, member), nil
}

func (a *API) setMember(c *call.Call) (any, error) {
	req, err := call.Body[api.MemberOrder](c)
	if err != nil {
		return nil, err
	}
	m, err := a.Broker.SetMember(c.Context(), c.By, c.PathValue("project"), c.PathValue("account"), identity.Role(req.Role))
	if err != nil {
		return nil, err
	}
	return member(m), nil
}

func (a *API) removeMember(c *call.Call) (any, error) {
	r, err := a.Broker.RemoveMember(c.Context(), c.By, c.PathValue("project"), c.PathValue("account"))
	if err != nil {
		return nil, err
	}
	return a.receipt(c.PathValue("account"), r), nil
}

func (a *API) listRobots(c *call.Call) (any, error) {
	rs, err := a.Login.ListRobots(c.Context(), c.By, c.PathValue("project"))
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaRobots, rs, nil, robot), nil
}

func (a *API) createRobot(c *call.Call) (any, error) {
	req, err := call.Body[api.RobotOrder](c)
	if err != nil {
		return nil, err
	}
	o := login.RobotOrder{Name: req.Name, Role: identity.Role(req.Role), Until: req.ExpiresAt}
	if o.Life, err = call.Seconds(req.Life); err != nil {
		return nil, err
	}
	for _, s := range req.Scopes {
		o.Scopes = append(o.Scopes, identity.Scope(s))
	}
	made, token, err := a.Login.CreateRobot(c.Context(), c.By, c.PathValue("project"), o)
	if err != nil {
		return nil, err
	}
	w := robot(made)
	w.Token = token
	return call.Created{Answer: w}, nil
}

func (a *API) deleteRobot(c *call.Call) (any, error) {
	return nil, a.Login.DeleteRobot(c.Context(), c.By, c.PathValue("robot"))
}

func (a *API) listSessions(c *call.Call) (any, error) {
	ss, err := a.Login.Sessions(c.Context(), c.By)
	if err != nil {
		return nil, err
	}
	return list(a, api.SchemaSessions, ss, nil, func(s session.Session) api.Session { return sessionOf(s, c.By.SessionID) }), nil
}

func (a *API) endSession(c *call.Call) (any, error) {
	return nil, a.Login.EndSession(c.Context(), c.By, c.PathValue("session"))
}
