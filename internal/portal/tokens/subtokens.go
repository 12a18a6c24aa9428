package tokens

import (
	"cmp"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/portal/frame"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// branch is a mytoken with those made from it.
type branch struct {
	delegation.SubGrant
	Title    string
	May      []term
	Branches []branch
}

// title is what a mytoken is called by.
func title(s delegation.SubGrant) string {
	return cmp.Or(grant.Clean(s.Name, 100), grant.Clean(s.Application, 100), "token without a name")
}

// treeOf builds the tree of a list in which each stands before those made from it.
func treeOf(held []delegation.SubGrant) []branch {
	below := map[string][]branch{}
	there := map[string]bool{"": true}
	for _, s := range held {
		there[s.ID] = true
	}
	for _, s := range slices.Backward(held) {
		parent := s.ParentID
		if !there[parent] {
			parent = ""
		}
		b := branch{SubGrant: s, Title: title(s), May: capabilities(s.Capabilities), Branches: below[s.ID]}
		below[parent] = slices.Insert(below[parent], 0, b)
	}
	return below[""]
}

type subgrantPage struct {
	branch
	Grant      row
	Conditions []condition
	Rotation   []string
	Below      int // how many were made from it, and from those
	History    []wording.Event
}

// findSub returns one of the mytokens in force of one of one's own grants.
func (p *Pages) findSub(v *frame.View) (row, branch, error) {
	r, err := p.find(v)
	if err != nil {
		return r, branch{}, err
	}
	held, err := p.held(v, r.ID)
	if err != nil {
		return r, branch{}, err
	}
	if b := search(treeOf(held), v.PathValue("subgrant")); b != nil {
		return r, *b, nil
	}
	return r, branch{}, fault.New(fault.NotFound, "there is no such token, or it has ended").WithHint("the page of the grant lists those that are in force")
}

func search(all []branch, id string) *branch {
	for i := range all {
		if all[i].ID == id {
			return &all[i]
		}
		if found := search(all[i].Branches, id); found != nil {
			return found
		}
	}
	return nil
}

func (b branch) count() int {
	n := len(b.Branches)
	for _, below := range b.Branches {
		n += below.count()
	}
	return n
}

func (p *Pages) subgrant(v *frame.View) error {
	r, b, err := p.findSub(v)
	if err != nil {
		return err
	}
	events, err := p.Subgrants.Events(v.Context(), v.By, b.ID)
	if err != nil {
		return err
	}
	page := subgrantPage{branch: b, Grant: r, Conditions: conditions(b.Clauses, b.Counts), Rotation: rotation(b.Rotation), Below: b.count(), History: newest(uses(events))}
	return frame.Show(v, "subtoken", b.Title, page)
}

// endSubgrant ends one mytoken, or it and all that were made from it.
func (p *Pages) endSubgrant(v *frame.View) error {
	r, b, err := p.findSub(v)
	if err != nil {
		return err
	}
	ctx, cancel := v.Await()
	defer cancel()
	err = p.Subgrants.End(ctx, v.By, b.ID, v.PostFormValue("below") != "")
	return done(v, r, "stopped", err)
}

// condition is one of a mytoken's restrictions in words.
type condition struct {
	From, Until      time.Time
	Scopes           []term
	Audiences, Hosts []string
	Tokens, Others   string // how often, if that is limited
}

func conditions(clauses []delegation.Clause, counts []delegation.Count) []condition {
	var all []condition
	for i, c := range clauses {
		var n delegation.Count
		if i < len(counts) {
			n = counts[i]
		}
		all = append(all, condition{From: c.NotBefore, Until: c.Expires, Scopes: scopes(c.Scope), Audiences: c.Audience, Hosts: c.Hosts,
			Tokens: times(c.UsagesAT, n.AT), Others: times(c.UsagesOther, n.Other)})
	}
	return all
}

// Empty reports whether the condition says nothing.
func (c condition) Empty() bool {
	return c.From.IsZero() && c.Until.IsZero() && len(c.Scopes)+len(c.Audiences)+len(c.Hosts) == 0 && c.Tokens == "" && c.Others == ""
}
