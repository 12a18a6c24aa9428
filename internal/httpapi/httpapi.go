// Package httpapi is the REST edge: JSON in, one call of broker or login, JSON out. It holds no
// rule of its own. It imports rows 0 to 3.
//
// People and robots come with a bearer token; cookies are not looked at, so no browser can be made
// to act here. The operator comes by the administration socket (OperatorHandler).
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/material"
)

// API serves /api/v1. All fields but PerMinute are required.
type API struct {
	Broker  *broker.Broker
	Login   *login.Login
	Custody *custody.Custody
	// Subgrants are what people passed on of grants, as mytokens.
	Subgrants *subgrant.Service
	// Targets are the clients that a configuration can be written for.
	Targets []deliver.Target
	// Endpoint and Region are the gateway's, as clients are configured with them.
	Endpoint, Region string
	Grid             Grid
	// PerMinute limits the requests of one token; 0 means no limit.
	PerMinute int
	Now       func() time.Time
	Log       *slog.Logger
}

// Prefix is the path below which the API lives.
const Prefix = "/api/v1"

// Routes is the whole route table: read it first.
func (a *API) Routes() []call.Route {
	var table []call.Route
	add := func(pattern string, serve func(*call.Call) (any, error), query ...string) {
		method, path, _ := strings.Cut(pattern, " ")
		table = append(table, call.Route{Method: method, Path: path, Query: query, Serve: serve})
	}
	open := func(pattern string, serve func(*call.Call) (any, error)) {
		add(pattern, serve)
		table[len(table)-1].Open = true
	}
	add("GET /whoami", a.whoAmI)
	add("GET /sessions", a.listSessions)
	add("DELETE /sessions/{session}", a.endSession)

	add("GET /projects", a.listProjects)
	add("POST /projects", a.createProject)
	add("GET /projects/{project}", a.showProject)
	add("PATCH /projects/{project}", a.changeProject)
	add("POST /projects/{project}/freeze", a.freezeProject)
	add("POST /projects/{project}/thaw", a.thawProject)
	add("GET /projects/{project}/members", a.listMembers)
	add("PUT /projects/{project}/members/{account}", a.setMember)
	add("DELETE /projects/{project}/members/{account}", a.removeMember)
	add("GET /projects/{project}/robots", a.listRobots)
	add("POST /projects/{project}/robots", a.createRobot)
	add("DELETE /robots/{robot}", a.deleteRobot)

	add("GET /credentials", a.listCredentials, "kind", "project", "owner", "state", "cursor", "limit")
	add("POST /credentials", a.createCredential)
	add("GET /credentials/{credential}", a.showCredential)
	add("DELETE /credentials/{credential}", a.deleteCredential)
	add("POST /credentials/{credential}/extend", a.extendCredential)
	add("POST /credentials/{credential}/freeze", a.freezeCredential)
	add("POST /credentials/{credential}/thaw", a.thawCredential)
	add("PUT /credentials/{credential}/chain", a.completeCredential)
	add("POST /credentials/{credential}/proxy", a.retrieveProxy)
	add("GET /credentials/{credential}/secret", a.credentialSecret)
	add("GET /credentials/{credential}/configurations", a.listConfigurations)
	add("GET /credentials/{credential}/configurations/{client}", a.configuration)

	a.grantRoutes(add)
	a.voRoutes(add, open)

	add("GET /accounts", a.listAccounts, "kind", "issuer", "search", "limit")
	add("POST /accounts/{account}/freeze", a.freezeAccount)
	add("POST /accounts/{account}/thaw", a.thawAccount)
	add("POST /providers/freeze", a.freezeProvider)
	add("POST /providers/thaw", a.thawProvider)
	add("GET /audit", a.listAudit, "project", "subject", "actor", "cursor", "limit")
	add("GET /audit/verification", a.verifyAudit)

	open("GET /openapi.yaml", openAPI)
	return table
}

// Handler serves people and robots.
func (a *API) Handler() http.Handler { return a.mux(call.Bearer(a.PerMinute, a.Now, a.actor)) }

// OperatorHandler serves the same routes to the operator, on a UNIX socket whose http.Server has
// call.PeerContext as its ConnContext. Only root and the user that uid names get in.
func (a *API) OperatorHandler(uid int) http.Handler { return a.mux(call.Operator(uid)) }

func (a *API) mux(identify call.Identifier) http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.Routes() {
		mux.Handle(r.Method+" "+Prefix+r.Path, r.Handler(identify, a.Now, a.Log))
	}
	mux.Handle("/", call.Route{Open: true, Serve: noRoute}.Handler(identify, a.Now, a.Log))
	return mux
}

// actor finds whose token it is.
func (a *API) actor(c *call.Call, token material.Secret) (identity.Actor, error) {
	return a.Login.Actor(c.Context(), token, login.Request{ID: c.ID, Address: caller.Address(c.Request), Client: c.Program()})
}

func noRoute(c *call.Call) (any, error) {
	return nil, fault.New(fault.NotFound, "there is no %s %.100s here", c.Method, c.URL.Path).
		WithHint("the routes are listed at %s/openapi.yaml", Prefix)
}
