package mytoken

import (
	"encoding/json"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// issued is a mytoken, or a transfer code for one.
type issued struct {
	Mytoken      string                  `json:"mytoken,omitempty"`
	TransferCode string                  `json:"transfer_code,omitempty"`
	ID           string                  `json:"mom_id"`
	ExpiresIn    int64                   `json:"expires_in,omitempty"` // seconds; not there: no end
	Capabilities delegation.Capabilities `json:"capabilities"`
	Rotation     *delegation.Rotation    `json:"rotation,omitempty"`
	Form         delegation.Form         `json:"mytoken_type"`
	Restrictions []delegation.Clause     `json:"restrictions,omitempty"`
	updated
}

// updated stands in every reply to a use that replaced the mytoken.
type updated struct {
	Update *issued `json:"token_update,omitempty"`
}

func issuedOf(i subgrant.Issued) issued {
	out := issued{Mytoken: i.Token.Reveal(), TransferCode: i.Code.Reveal(), ID: i.ID, Capabilities: i.Capabilities, Form: i.Form,
		Restrictions: i.Clauses, updated: updatedOf(i.Update)}
	if !i.ExpiresAt.IsZero() {
		out.ExpiresIn = max(1, int64(i.ExpiresIn/time.Second)) // 0 would read as no end
	}
	if i.Rotation.Active() {
		out.Rotation = &i.Rotation
	}
	return out
}

func updatedOf(i *subgrant.Issued) updated {
	if i == nil {
		return updated{}
	}
	out := issuedOf(*i)
	return updated{&out}
}

// flow is a request that waits for a person.
type flow struct {
	Consent   string `json:"consent_uri"`
	Polling   string `json:"polling_code"`
	ExpiresIn int64  `json:"expires_in"`
	// Interval must be from 1 to 15: clients divide by it, and count to 15 with it.
	Interval int64 `json:"interval"`
}

type accessed struct {
	Token     string   `json:"access_token"`
	Type      string   `json:"token_type"`
	ExpiresIn int64    `json:"expires_in"`
	Scope     string   `json:"scope,omitempty"`
	Audience  []string `json:"audience,omitempty"`
	updated
}

type transferred struct {
	Code      string          `json:"transfer_code"`
	ExpiresIn int64           `json:"expires_in"`
	Form      delegation.Form `json:"mytoken_type"`
}

type introspected struct {
	Valid bool            `json:"valid"` // what is not valid is refused
	ID    string          `json:"mom_id"`
	Form  delegation.Form `json:"token_type"`
	Token json.RawMessage `json:"token"`
}

type event struct {
	Name      string `json:"event"`
	Comment   string `json:"comment,omitempty"`
	Address   string `json:"ip"`
	UserAgent string `json:"user_agent"`
	ID        string `json:"mom_id"`
	Time      int64  `json:"time"`
}

type history struct {
	Events []event `json:"events"`
	updated
}

func historyOf(h subgrant.History) history {
	out := history{Events: make([]event, 0, len(h.Events)), updated: updatedOf(h.Update)}
	for _, e := range h.Events {
		out.Events = append(out.Events, event{e.Name, e.Comment, e.Address, e.UserAgent, e.SubGrantID, e.At.Unix()})
	}
	return out
}

// entry is one of a list of mytokens.
type entry struct {
	ID        string `json:"mom_id"`
	Name      string `json:"name"`
	Created   int64  `json:"created"`
	ExpiresAt int64  `json:"expires_at,omitempty"`
	Address   string `json:"ip"`
}

type tree struct {
	Token    entry  `json:"token"`
	Children []tree `json:"children,omitempty"`
}

func treesOf(nodes []subgrant.Node) []tree {
	out := make([]tree, 0, len(nodes))
	for _, n := range nodes {
		e := entry{ID: n.ID, Name: n.Name, Created: n.CreatedAt.Unix(), Address: n.Address}
		if !n.ExpiresAt.IsZero() {
			e.ExpiresAt = n.ExpiresAt.Unix()
		}
		out = append(out, tree{e, treesOf(n.Children)})
	}
	return out
}

// subtokens has one tree, listed has many.
type subtokens struct {
	Tree tree `json:"mytokens"`
	updated
}

type listed struct {
	Trees []tree `json:"mytokens"`
	updated
}

// template is a named request, or a part of one.
type template struct {
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Payload json.RawMessage `json:"payload"`
}

type grantTypes struct {
	GrantTypes []struct{} `json:"grant_types"` // that a person can switch on: none
	updated
}
