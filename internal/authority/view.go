package authority

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// A View is a VO as people see it.
type View struct {
	vo.VO
	// Managed says that its members are decided about here.
	Managed bool
	Servers []Server
	// FQANs are what the viewer holds, and Projects the viewer's through which that is so. Groups are
	// left empty for those who are no members and do not manage it.
	FQANs, Projects []string
}

// A Server of a VO: its line for vomses files, and the file by which it is recognised.
type Server struct {
	vomses.Server
	LSC string
}

// ListVOs returns all VOs that Lanyard knows, by name, as by sees them.
func (a *Authority) ListVOs(ctx context.Context, by identity.Actor) ([]View, error) {
	var all []View
	for _, v := range a.c.VOs {
		w, err := a.view(ctx, by, v)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	others, err := a.c.Others()
	if err != nil {
		return nil, fmt.Errorf("read the servers of other VOs: %w", err)
	}
	for _, o := range others {
		if _, err := a.vo(o.Name); err != nil { // our own word about our VOs counts
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(x, y View) int { return cmp.Compare(x.Name, y.Name) })
	return all, nil
}

// ShowVO returns one.
func (a *Authority) ShowVO(ctx context.Context, by identity.Actor, name string) (View, error) {
	if v, err := a.vo(name); err == nil {
		return a.view(ctx, by, v)
	}
	return a.other(name)
}

func (a *Authority) other(name string) (View, error) {
	others, err := a.c.Others()
	if err != nil {
		return View{}, fmt.Errorf("read the servers of other VOs: %w", err)
	}
	for _, o := range others {
		if o.Name == name {
			return o, nil
		}
	}
	return View{}, absent(name)
}

func (a *Authority) view(ctx context.Context, by identity.Actor, v vo.VO) (View, error) {
	w := View{VO: v, Managed: true}
	s, err := a.server(v)
	if err != nil {
		a.c.Log.WarnContext(ctx, "VO shown without its server", "vo", v.Name, "err", err)
	} else {
		w.Servers = []Server{s}
	}
	if by.AccountID != "" {
		facts, err := a.c.Store.AccountFacts(ctx, v.Name, by.AccountID)
		if err != nil {
			return w, err
		}
		if standing, err := v.Judge(false, facts, a.now()); err == nil { // else not (or no longer) a member
			w.FQANs, w.Projects = standing.List(), v.Through(facts, a.now())
		}
	}
	if len(w.FQANs) > 0 {
		return w, nil
	}
	manages, err := a.manages(ctx, by, v)
	if !manages {
		w.Groups = nil
	}
	return w, err
}

// server describes the attribute authority of v by its certificate.
func (a *Authority) server(v vo.VO) (Server, error) {
	key, ok := a.c.Keys[v.Name]
	if !ok {
		return Server{}, fmt.Errorf("there is no certificate for the attribute authority of %s", v.Name)
	}
	pair, err := key()
	if err != nil {
		return Server{}, err
	}
	return Server{Server: vomses.Server{Alias: v.Name, Host: v.Host, Port: v.Port, DN: dn.Slash(pair.Leaf.RawSubject), VO: v.Name},
		LSC: voms.LSCOf(pair.Leaf).String()}, nil
}

// Servers returns the servers of a VO, to everybody: what is in the files that tools need.
func (a *Authority) Servers(name string) ([]Server, error) {
	v, err := a.vo(name)
	if err != nil {
		o, err := a.other(name)
		return o.Servers, err
	}
	s, err := a.server(v)
	if err != nil {
		return nil, err
	}
	return []Server{s}, nil
}
