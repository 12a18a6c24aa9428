package client

import (
	"context"
	"net/http"

	"github.com/lanyardhq/lanyard/api"
)

// WhoAmI describes the caller and their projects.
func (c *Client) WhoAmI(ctx context.Context) (api.WhoAmI, error) {
	return get[api.WhoAmI](ctx, c, nil, "whoami")
}

// ListProjects returns the caller's projects, or all to the operator.
func (c *Client) ListProjects(ctx context.Context) (api.List[api.Project], error) {
	return get[api.List[api.Project]](ctx, c, nil, "projects")
}

// ShowProject returns one project, by id or name.
func (c *Client) ShowProject(ctx context.Context, ref string) (api.Project, error) {
	return get[api.Project](ctx, c, nil, "projects", ref)
}

// ListMembers returns a project's members.
func (c *Client) ListMembers(ctx context.Context, project string) (api.List[api.Member], error) {
	return get[api.List[api.Member]](ctx, c, nil, "projects", project, "members")
}

// SetMember adds an account to a project, or changes its role there.
func (c *Client) SetMember(ctx context.Context, project, account, role string) (api.Member, error) {
	return send[api.Member](ctx, c, call{method: http.MethodPut, path: []string{"projects", project, "members", account},
		in: api.MemberOrder{Role: role}})
}

// RemoveMember takes an account out of a project, which freezes its keys there.
func (c *Client) RemoveMember(ctx context.Context, project, account string) (api.Receipt, error) {
	return send[api.Receipt](ctx, c, call{method: http.MethodDelete, path: []string{"projects", project, "members", account}, single: true})
}

// ListRobots returns a project's robots.
func (c *Client) ListRobots(ctx context.Context, project string) (api.List[api.Robot], error) {
	return get[api.List[api.Robot]](ctx, c, nil, "projects", project, "robots")
}

// CreateRobot makes a robot account. The answer holds its token; if it is lost on the way, the robot
// may be there all the same, so look before asking again.
func (c *Client) CreateRobot(ctx context.Context, project string, o api.RobotOrder) (api.Robot, error) {
	return send[api.Robot](ctx, c, call{method: http.MethodPost, path: []string{"projects", project, "robots"}, in: o, single: true})
}

// DeleteRobot ends a robot and its token.
func (c *Client) DeleteRobot(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: []string{"robots", id}, single: true})
	return err
}

// ListSessions returns the caller's sessions.
func (c *Client) ListSessions(ctx context.Context) (api.List[api.Session], error) {
	return get[api.List[api.Session]](ctx, c, nil, "sessions")
}

// EndSession ends one of the caller's sessions.
func (c *Client) EndSession(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: []string{"sessions", id}, single: true})
	return err
}
