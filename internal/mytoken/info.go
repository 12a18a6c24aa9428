package mytoken

import (
	"strings"

	"github.com/lanyardhq/lanyard/internal/delegation"
)

// The actions of tokeninfo that discovery lists. Notifications are not among them.
const (
	actionIntrospect    = "introspect"
	actionHistory       = "event_history"
	actionSubtokens     = "subtokens"
	actionList          = "list_mytokens"
	actionNotifications = "notifications"
)

// tokeninfo tells about mytokens.
func (f *Facade) tokeninfo(c *call) (any, error) {
	var in struct {
		Action  string   `json:"action"`
		Mytoken string   `json:"mytoken"`
		IDs     []string `json:"mom_ids"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	token, s, ctx := c.token(in.Mytoken), f.c.Service, c.Context()
	switch in.Action {
	case actionIntrospect:
		i, err := s.Introspect(ctx, token, c.from)
		return introspected{Valid: true, ID: i.ID, Form: i.Form, Token: i.Token}, err
	case actionHistory:
		h, err := s.History(ctx, token, in.IDs, c.from)
		return historyOf(h), err
	case actionSubtokens:
		t, err := s.Subtokens(ctx, token, c.from)
		if err == nil && len(t.Roots) == 0 {
			err = delegation.BadToken() // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		return subtokens{treesOf(t.Roots)[0], updatedOf(t.Update)}, nil
	case actionList:
		t, err := s.List(ctx, token, c.from)
		return listed{treesOf(t.Roots), updatedOf(t.Update)}, err
	case actionNotifications: // nobody can have any
		u, err := s.Authorize(ctx, token, "tokeninfo:notify", "tokeninfo_notifications", c.from)
		return updatedOf(u), err
	}
	return nil, delegation.Invalid("value '%.40s' not valid for TokeninfoAction", in.Action)
}

// settings says where settings are. Clients ask at each start and fail without an answer.
func (f *Facade) settings(*call) (any, error) {
	return map[string]string{"grant_type_endpoint": f.c.Service.Issuer + grantsPath}, nil
}

// listGrants lists further ways to use mytokens, of which there are none.
func (f *Facade) listGrants(c *call) (any, error) {
	u, err := f.c.Service.Authorize(c.Context(), c.token(""), delegation.CapabilityReadGrants, "settings_grants_listed", c.from)
	return grantTypes{[]struct{}{}, updatedOf(u)}, err
}

// changeGrant refuses to switch such a way on or off.
func (f *Facade) changeGrant(*call) (any, error) { return nil, unsupported("grant_type") }

// groups lists the groups of templates.
func (f *Facade) groups(*call) (any, error) {
	return append([]string{}, f.c.Service.Library.Groups()...), nil
}

// templates lists a section of a group, or of those that stand in no group.
func (f *Facade) templates(c *call) (any, error) {
	group, section, ok := strings.Cut(strings.TrimPrefix(c.path, templatesPath+"/"), "/")
	if !ok {
		group, section = "", group
	}
	list, ok := f.c.Service.Library.List(group, section, f.c.Service.Now())
	if !ok {
		return notFound(c)
	}
	out := make([]template, 0, len(list))
	for _, t := range list {
		out = append(out, template{t.ID, t.Name, t.Payload})
	}
	return out, nil
}
