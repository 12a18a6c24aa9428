package subgrant

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

// Introspect returns what the token says. It is no use: neither counted nor restricted, and it
// writes nothing, so that who looks every minute harms nobody.
func (s *Service) Introspect(ctx context.Context, token material.Secret, from Asker) (Introspection, error) {
	i, err := s.introspect(ctx, token, from)
	return i, s.refusal(ctx, err)
}

func (s *Service) introspect(ctx context.Context, token material.Secret, from Asker) (Introspection, error) {
	shown, chain, err := s.present(ctx, token, from)
	if err != nil {
		return Introspection{}, err
	}
	g := chain.Links[0]
	if err := capable(g, "", delegation.CapabilityIntrospect); err != nil {
		return Introspection{}, err
	}
	text, err := s.maker().Describe(g)
	return Introspection{ID: g.ID, Form: shown.Form, Token: text}, err
}

// act uses the token for something other than an access token, which judge allows.
func (s *Service) act(ctx context.Context, token material.Secret, from Asker, event string, judge func(delegation.SubGrant) error) (delegation.SubGrant, *Issued, error) {
	shown, _, err := s.present(ctx, token, from)
	if err != nil {
		return delegation.SubGrant{}, nil, err
	}
	now := s.now()
	var u used
	err = s.Store.Decide(ctx, shown.ID, func(c delegation.Chain) (delegation.Change, error) {
		if err := judge(c.Links[0]); err != nil {
			return delegation.Change{}, err
		}
		if u, err = s.use(c, shown, delegation.Use{Address: from.addr(), At: now}); err != nil {
			return delegation.Change{}, err
		}
		u.change.Events = append(u.change.Events, from.event(shown.ID, event, "", now))
		return u.noted(from, now), nil
	})
	if err != nil {
		return delegation.SubGrant{}, nil, err
	}
	update, err := s.updated(u, shown)
	return u.chain.Links[0], update, err
}

// Authorize uses the token for something that is not in this package, which needs a capability.
// Event is the name under which the history shows it.
func (s *Service) Authorize(ctx context.Context, token material.Secret, capability, event string, from Asker) (update *Issued, err error) {
	_, update, err = s.act(ctx, token, from, event, func(g delegation.SubGrant) error { return capable(g, "", capability) })
	return update, s.refusal(ctx, err)
}

// History returns what happened to the token's sub-grant, or to others by their ids, "this",
// "children" (all below) or "children@ID". Only the newest hundred events of each are kept.
func (s *Service) History(ctx context.Context, token material.Secret, ids []string, from Asker) (History, error) {
	h, err := s.history(ctx, token, ids, from)
	return h, s.refusal(ctx, err)
}

func (s *Service) history(ctx context.Context, token material.Secret, ids []string, from Asker) (History, error) {
	_, chain, err := s.present(ctx, token, from)
	if err != nil {
		return History{}, err
	}
	self := chain.Links[0]
	all, event := []string{self.ID}, "tokeninfo_history"
	if len(ids) > 0 {
		if all, err = s.named(ctx, self, ids); err != nil {
			return History{}, err
		}
		event = "tokeninfo_history_other_token"
	}
	_, update, err := s.act(ctx, token, from, event, func(g delegation.SubGrant) error {
		if g.Capabilities.Covers(delegation.CapabilityHistoryAny) && len(ids) > 0 {
			return nil
		}
		return capable(g, "", delegation.CapabilityHistory)
	})
	if err != nil {
		return History{}, err
	}
	events, err := s.Store.SubGrantEvents(ctx, all)
	return History{Events: events, Update: update}, err
}

// named resolves the ids of a request of self's: itself, those below it, and with the capability
// for it any of the account.
func (s *Service) named(ctx context.Context, self delegation.SubGrant, ids []string) ([]string, error) {
	if len(ids) > delegation.MaxListed {
		return nil, delegation.Invalid("at most %d mom_ids can be given", delegation.MaxListed)
	}
	family, err := s.Store.SubGrants(ctx, delegation.Filter{OwnerID: self.OwnerID})
	if err != nil {
		return nil, err
	}
	there, children := map[string]bool{}, map[string][]string{}
	for _, g := range family {
		there[g.ID] = true
		children[g.ParentID] = append(children[g.ParentID], g.ID)
	}
	below := descendants(children, self.ID)
	all := map[string]bool{}
	for _, id := range ids {
		of, those := id, false
		if id == "children" {
			of, those = self.ID, true
		} else if rest, ok := strings.CutPrefix(id, "children@"); ok {
			of, those = rest, true
		} else if id == "this" {
			of = self.ID
		}
		known := of == self.ID || slices.Contains(below, of) || there[of] && self.Capabilities.Covers(delegation.CapabilityHistoryAny)
		switch {
		case !known:
			return nil, delegation.NotTheirs(fmt.Sprintf("obtain history for mom_id '%.100s'", id))
		case those:
			for _, d := range descendants(children, of) {
				all[d] = true
			}
		default:
			all[of] = true
		}
	}
	if len(all) > delegation.MaxAlive {
		return nil, delegation.Invalid("these are more than %d mytokens", delegation.MaxAlive)
	}
	return slices.Collect(maps.Keys(all)), nil
}

// descendants are the ids of all below id.
func descendants(children map[string][]string, id string) (ids []string) {
	for _, c := range children[id] {
		ids = append(append(ids, c), descendants(children, c)...)
	}
	return ids
}

// Subtokens returns the tree below the token's sub-grant, itself the only root.
func (s *Service) Subtokens(ctx context.Context, token material.Secret, from Asker) (Trees, error) {
	self, update, err := s.act(ctx, token, from, "tokeninfo_subtokens", func(g delegation.SubGrant) error {
		return capable(g, "", delegation.CapabilitySubtokens)
	})
	if err != nil {
		return Trees{}, s.refusal(ctx, err)
	}
	trees, err := s.trees(ctx, delegation.Filter{GrantID: self.GrantID}, self.ID)
	return Trees{Roots: trees, Update: update}, s.refusal(ctx, err)
}

// List returns all sub-grants of the account that are in force.
func (s *Service) List(ctx context.Context, token material.Secret, from Asker) (Trees, error) {
	self, update, err := s.act(ctx, token, from, "tokeninfo_list_mytokens", func(g delegation.SubGrant) error {
		return capable(g, "", delegation.CapabilityList)
	})
	if err != nil {
		return Trees{}, s.refusal(ctx, err)
	}
	trees, err := s.trees(ctx, delegation.Filter{OwnerID: self.OwnerID}, "")
	return Trees{Roots: trees, Update: update}, s.refusal(ctx, err)
}

// trees returns those in force that f selects: below root, or all if it is empty. One whose parent
// has expired is a root.
func (s *Service) trees(ctx context.Context, f delegation.Filter, root string) ([]Node, error) {
	all, err := s.Store.SubGrants(ctx, f)
	if err != nil {
		return nil, err
	}
	now := s.now()
	all = slices.DeleteFunc(all, func(g delegation.SubGrant) bool { return !g.Alive(now) })
	children, there := map[string][]delegation.SubGrant{}, map[string]bool{}
	for _, g := range all {
		children[g.ParentID], there[g.ID] = append(children[g.ParentID], g), true
	}
	var node func(delegation.SubGrant) Node
	node = func(g delegation.SubGrant) Node {
		n := Node{SubGrant: g}
		for _, c := range children[g.ID] {
			n.Children = append(n.Children, node(c))
		}
		return n
	}
	var roots []Node
	for _, g := range all {
		if root == "" && !there[g.ParentID] || g.ID == root {
			roots = append(roots, node(g))
		}
	}
	return roots, nil
}

// Tree lists the sub-grants of a grant of by's that are in force, each before those made from it.
func (s *Service) Tree(ctx context.Context, by identity.Actor, grantID string) ([]delegation.SubGrant, error) {
	h, err := s.Flows.Holder(ctx, grantID)
	if absent(err) || err == nil && !owns(by, h.Grant.OwnerID, identity.ReadTokens) {
		return nil, fault.New(fault.NotFound, "there is no such grant").WithHint("lanyard token list shows yours")
	}
	if err != nil {
		return nil, err
	}
	roots, err := s.trees(ctx, delegation.Filter{GrantID: grantID}, "")
	var all []delegation.SubGrant
	var walk func([]Node)
	walk = func(nodes []Node) {
		for _, n := range nodes {
			all = append(all, n.SubGrant)
			walk(n.Children)
		}
	}
	walk(roots)
	return all, err
}

// Events returns the history of a sub-grant of by's, oldest first.
func (s *Service) Events(ctx context.Context, by identity.Actor, id string) ([]delegation.Event, error) {
	if _, err := s.mine(ctx, by, id, identity.ReadTokens); err != nil {
		return nil, err
	}
	return s.Store.SubGrantEvents(ctx, []string{id})
}

// PublicKeys are those that verify our tokens.
func (s *Service) PublicKeys() wlcg.KeySet { return s.Keys.Published(Algorithm) }
