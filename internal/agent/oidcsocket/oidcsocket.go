// Package oidcsocket answers the clients of oidc-agent, such as oidc-token, on a UNIX socket: the
// part of oidc-agent's protocol that hands out access tokens, as its release 4.2.6 speaks it. One
// connection carries one request, in plain JSON or encrypted. It imports material only.
package oidcsocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// maxMinValid bounds, in seconds, the life that somebody asks a token to have.
const maxMinValid = 1e9

// A Query says which access token a program wants.
type Query struct {
	// Account is the name of a grant; if it is empty, Issuer is a provider's.
	Account, Issuer   string
	Scopes, Audiences []string // none: the grant's own
	MinValid          time.Duration
	Force             bool // a new one, whatever is ready
}

// Token is an access token.
type Token struct {
	Access    material.Secret
	Issuer    string
	ExpiresAt time.Time
}

// A Source has the tokens. Its errors are shown to the person; a *Refusal may add what to do.
type Source interface {
	Token(ctx context.Context, q Query) (Token, error)
	// Accounts are the names that Query.Account can be.
	Accounts(ctx context.Context) ([]string, error)
}

// Refusal is an error with one line that says what to do about it.
type Refusal struct{ Text, Info string }

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// NoAccount is the text by which clients know that there is no such account here; they then look for
// another agent.
const NoAccount = "No account configured with that short name"

// What the original answers to what it does not do.
const (
	forbidden = "operation forbidden"
	unknown   = "Bad Request: Unknown request type."
)

// elsewhere are requests that oidc-agent knows and this agent leaves to the lanyard commands.
var elsewhere = []string{"id_token", "add", "gen", "remove", "remove_all", "lock", "unlock", "code_exchange", "state_lookup", "device", "register",
	"delete", "scopes", "reauthenticate", "file_read", "file_write", "file_remove"}

// Request is what a client asks.
type Request struct {
	Request  string `json:"request"`
	Account  string `json:"account"`
	Issuer   string `json:"issuer"`
	MinValid int64  `json:"min_valid_period"` // seconds; less than 0: a new token
	Scope    string `json:"scope"`            // separated by blanks
	Audience string `json:"audience"`
}

// ParseRequest reads a request. Members that it does not know are left aside.
func ParseRequest(text []byte) (Request, error) {
	var r Request
	if len(text) > maxMessage {
		return r, errors.New("Bad Request: too long") //nolint:staticcheck // a text of the protocol
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, errors.New("Bad Request: could not parse json") //nolint:staticcheck // a text of the protocol
	}
	return r, nil
}

// Query is what r asks of a Source.
func (r Request) Query() Query {
	return Query{Account: r.Account, Issuer: r.Issuer, Scopes: strings.Fields(r.Scope), Audiences: strings.Fields(r.Audience),
		MinValid: time.Duration(min(max(r.MinValid, 0), maxMinValid)) * time.Second, Force: r.MinValid < 0}
}

// reply is an answer. The members stand in the original's order.
type reply struct {
	Status      string `json:"status"` // success, failure
	AccessToken string `json:"access_token,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	ExpiresAt   int64  `json:"expires_at,omitempty"`
	Error       string `json:"error,omitempty"`
	Info        any    `json:"info,omitempty"`
}

// status is the info of an answer to status_json.
type status struct {
	Version string   `json:"version"`
	Options string   `json:"command_line_options"`
	Loaded  []string `json:"loaded_accounts"`
}

func failure(err error) reply {
	f := reply{Status: "failure", Error: err.Error()}
	if r, ok := errors.AsType[*Refusal](err); ok && r.Info != "" {
		f.Info = r.Info
	}
	return f
}

// answer is what s has to say to a request.
func (s *Server) answer(ctx context.Context, text []byte) reply {
	r, err := ParseRequest(text)
	if err != nil {
		return failure(err)
	}
	switch {
	case r.Request == "access_token":
		return s.token(ctx, r)
	case r.Request == "check":
		return reply{Status: "success"}
	case r.Request == "loaded_accounts":
		return reply{Status: "success", Info: s.accounts(ctx)}
	case r.Request == "status_json":
		return reply{Status: "success", Info: status{Version: s.Version, Loaded: s.accounts(ctx)}}
	case r.Request == StatusRequest && s.Status != nil:
		return reply{Status: "success", Info: s.Status()}
	case slices.Contains(elsewhere, r.Request):
		return failure(errors.New(forbidden))
	}
	return failure(&Refusal{Text: unknown})
}

func (s *Server) token(ctx context.Context, r Request) reply {
	if r.Account == "" && r.Issuer == "" {
		return failure(&Refusal{Text: "Not yet implemented", Info: "name a grant; see: lanyard token list"})
	}
	t, err := s.Source.Token(ctx, r.Query())
	if err != nil {
		return failure(err)
	}
	return reply{Status: "success", AccessToken: t.Access.Reveal(), Issuer: t.Issuer, ExpiresAt: t.ExpiresAt.Unix()}
}

// accounts is empty while nobody knows.
func (s *Server) accounts(ctx context.Context) []string {
	names, err := s.Source.Accounts(ctx)
	if err != nil || names == nil {
		return []string{}
	}
	return names
}

// encode writes an answer as the original does: on one line, with nothing escaped that need not be.
func encode(r reply) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(r) != nil {
		return []byte(`{"status":"failure","error":"the answer cannot be written down"}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
