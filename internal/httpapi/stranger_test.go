package httpapi_test

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/httpapi"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
)

// bodies that are right, so that a refusal can only be about who asks.
var bodies = map[string]string{
	"PATCH /projects/{project}":                 `{"title":"mine now"}`,
	"POST /projects/{project}/freeze":           `{"reason":"spite"}`,
	"PUT /projects/{project}/members/{account}": `{"role":"manager"}`,
	"POST /projects/{project}/robots":           `{"name":"spy"}`,
	"POST /credentials/{credential}/extend":     `{"life":3600}`,
	"PUT /credentials/{credential}/chain":       `{"chain":"-----BEGIN CERTIFICATE-----"}`,
	"POST /credentials/{credential}/narrow":     `{"scopes":["storage.read:/climate/a"]}`,
	"POST /accounts/{account}/freeze":           `{"reason":"spite"}`,

	"PUT /vos/{vo}/members":                        `{"subject":"/DC=org/CN=Spy"}`,
	"PUT /accounts/{account}/certificates":         `{"subject":"/DC=org/CN=Spy","issuer":"/DC=org/CN=CA"}`,
	"POST /accounts/{account}/certificates/unlink": `{"subject":"/DC=org/CN=Spy","issuer":"/DC=org/CN=CA"}`,
}

// operators are the routes that refuse everybody but the operator, whatever they name.
var operators = []string{"PATCH /projects/{project}", "POST /projects/{project}/freeze", "POST /projects/{project}/thaw",
	"POST /accounts/{account}/freeze", "POST /accounts/{account}/thaw", "GET /accounts/{account}/certificates",
	"PUT /accounts/{account}/certificates", "POST /accounts/{account}/certificates/unlink", "POST /vos/{vo}/import"}

// seen are the routes that show to everybody what they name.
var seen = []string{"GET /vos/{vo}", "GET /vos/{vo}/lsc", "GET /vos/{vo}/vomses"}

// TestStrangersLearnNothing is INV-13. For every route that names something, a stranger who names
// what is another's gets byte for byte what they get who name what does not exist, and nothing
// changes. The requests are made from the route table, so a new route cannot be forgotten.
func TestStrangersLearnNothing(t *testing.T) {
	w := newWorld(t)
	anna := w.as(t, "anna")
	k := w.key(t, "anna", "462000008")
	held, _ := w.delegation(t, "anna")
	approved := w.grant(t, "anna")
	robot, err := anna.CreateRobot(t.Context(), "462000008", api.RobotOrder{Name: "nightly"})
	check(t, err)
	sessions, err := anna.ListSessions(t.Context())
	check(t, err)
	member, err := anna.SetVOMember(t.Context(), "climate", api.VOMemberOrder{Subject: "/DC=org/CN=Ada"})
	check(t, err)

	theirs := map[string][]string{
		"project": {k.ProjectID, k.Project}, "credential": {k.ID, k.AccessKeyID, held.ID, approved.ID}, "robot": {robot.ID}, "account": {k.OwnerID, robot.ID, "anna"},
		"session": {sessions.Items[0].ID, sessions.Items[1].ID}, "client": {"rclone"},
		"vo": {"climate"}, "member": {member.ID},
		"owner": {k.OwnerID}, "subject": {k.ID, held.ID, approved.ID, k.AccessKeyID, k.OwnerID, k.ProjectID}, "actor": {k.OwnerID},
	}
	before := w.everything(t)
	tried := 0
	for _, r := range w.Routes() {
		if slices.Contains(seen, r.Method+" "+r.Path) {
			continue
		}
		for _, named := range requests(r, theirs) {
			absent := named
			absent.path, absent.name = strings.ReplaceAll(named.path, named.name, alter(named.name)), alter(named.name)
			got, want := w.ask(t, named), w.ask(t, absent)
			status := 404
			switch {
			case slices.Contains(operators, r.Method+" "+r.Path):
				status = 403
			case named.query:
				status = got.status // a filter may just as well find nothing
			}
			if got.status != status || got.body != want.body || got.status != want.status {
				t.Errorf("%s %s:\n got %d %s\nwant %d %s", r.Method, named.path, got.status, got.body, cmp.Or(status, want.status), want.body)
			}
			tried++
		}
	}
	if tried < 40 {
		t.Errorf("only %d requests were tried", tried)
	}
	if after := w.everything(t); after != before {
		t.Errorf("a stranger changed something:\nbefore %s\nafter  %s", before, after)
	}
}

// a request names one thing of somebody else's.
type request struct {
	method, path, body, name string
	query                    bool
}

// requests makes all requests of the route that name something of theirs.
func requests(r call.Route, theirs map[string][]string) []request {
	paths := []request{{method: r.Method, path: httpapi.Prefix + r.Path, body: bodies[r.Method+" "+r.Path]}}
	for _, m := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(r.Path, -1) {
		var filled []request
		for _, p := range paths {
			for _, v := range theirs[m[1]] {
				q := p
				q.path = strings.Replace(p.path, m[0], v, 1)
				q.name = cmp.Or(p.name, v) // the first thing in the path is what the rest belongs to
				filled = append(filled, q)
			}
		}
		paths = filled
	}
	if strings.Contains(r.Path, "{") {
		return paths
	}
	var queries []request
	for _, name := range r.Query {
		for _, v := range theirs[name] {
			queries = append(queries, request{method: r.Method, path: httpapi.Prefix + r.Path + "?" + name + "=" + v, name: v, query: true})
		}
	}
	return queries
}

// alter makes of the name of something one of the same form that nothing has.
func alter(name string) string {
	last := name[len(name)-1]
	if last == '7' {
		return name[:len(name)-1] + "6"
	}
	return name[:len(name)-1] + "7"
}

var requestID = regexp.MustCompile(`req_[A-Z2-7]+`)

// ask sends the request as chiara, and takes out of the answer what must differ.
func (w *world) ask(t *testing.T, r request) answer {
	t.Helper()
	a := w.send(t, w.token(t, "chiara"), r.method, r.path, r.body)
	a.body = requestID.ReplaceAllString(strings.ReplaceAll(a.body, r.name, "NAME"), "ID")
	return a
}

// everything is all that anna and the operator can see.
func (w *world) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/credentials?project=462000008", "/projects/462000008", "/projects/462000008/members", "/projects/462000008/robots", "/vos/climate/members"} {
		a := w.send(t, w.token(t, "anna"), "GET", httpapi.Prefix+path, "")
		if a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		all.WriteString(a.body)
	}
	w.token(t, "chiara") // her signing in is recorded
	trail, err := w.operator(t).ListAudit(t.Context(), client.AuditFilter{Limit: 1})
	check(t, err)
	all.WriteString(trail.Items[0].Hash)
	return all.String()
}
