package mytoken_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// The exchanges in testdata were recorded with a mytoken server. Each is sent again with tokens of
// ours in place of the names in braces; status, keys, error and error_description must be the same. At
// subtoken-not-tighter-error that server did not do what it documents; what is there is ours.

type exchange struct {
	Name    string
	Method  string
	Path    string
	Headers map[string]string
	Body    any // text is sent as it is, anything else as JSON
	Status  int
	Reply   any
}

func TestRecordedExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/exchanges/*.json")
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var all []exchange
			if err := json.Unmarshal(text, &all); err != nil {
				t.Fatal(err)
			}
			p := newPlayer(t)
			for _, e := range all {
				p.play(e)
			}
		})
	}
}

// A player has the tokens and codes that the exchanges name.
type player struct {
	*world
	names map[string]string
}

func newPlayer(t *testing.T) *player {
	p := &player{world: newWorld(t), names: map[string]string{}}
	t.Cleanup(func() { op.Inject(nil) })
	waited := p.start(`{}`)
	p.names["polling:waited"] = waited.field("polling_code")
	p.ahead.Add(int64(301 * time.Second))
	p.keep("root", p.root(`{"name":"root","capabilities":`+everything+`}`))
	p.made("root", "expired", `{"name":"exp","capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1m"}]}`)
	p.ahead.Add(int64(62 * time.Second))

	p.made("root", "full", `{"name":"laptop:full","capabilities":`+everything+`,"restrictions":[{"exp":"+1d","scope":"openid storage.read:/","usages_AT":50}]}`)
	for _, one := range [][3]string{
		{"root", "rot#1", `{"name":"rot","capabilities":["AT","tokeninfo","create_mytoken","manage_mytokens"],"rotation":{"on_AT":true,"on_other":true}}`},
		{"root", "autorev#1", `{"name":"autorev","capabilities":["AT","tokeninfo"],"rotation":{"on_AT":true,"lifetime":3600,"auto_revoke":true}}`},
		{"root", "hosts", `{"restrictions":[{"hosts":["10.0.0.0/8"]}]}`},
		{"root", "nbf", `{"restrictions":[{"nbf":"+1h"}]}`},
		{"root", "two", `{"name":"two","capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1h","scope":"openid","usages_AT":1},{"exp":"+2h","scope":"storage.read:/ openid"}]}`},
		{"root", "exhausted", `{"restrictions":[{"usages_AT":1,"scope":"openid"}]}`},
		{"root", "revoked", `{}`},
		{"root", "victim", `{}`},
		{"root", "parent", `{"name":"parent"}`},
		{"parent", "child-of-parent", `{"capabilities":["AT"]}`},
		{"parent", "revoked-child", `{}`},
		{"full", "child-of-full", `{"capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1h","scope":"openid","usages_AT":1}]}`},
		{"full", "at-only", `{"name":"job-1","capabilities":["AT"],"restrictions":[{"exp":"+1h","scope":"storage.read:/","usages_AT":2}]}`},
		{"full", "short", `{"response_type":"short_token","capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1h","scope":"openid","usages_AT":1}]}`},
		{"full", "revoked-short", `{"response_type":"short_token"}`},
	} {
		p.made(one[0], one[1], one[2])
	}
	p.at(p.names["exhausted"])
	for _, one := range []string{"revoked", "revoked-short", "revoked-child"} {
		p.post(revoke, object(map[string]any{"token": p.names[one]}))
	}
	forged := p.names["full"]
	p.names["forged"] = forged[:strings.LastIndexByte(forged, '.')+1] + strings.Repeat("AbCd", 32)
	p.names["transfer:full"] = p.post(transfer, object(map[string]any{"mytoken": p.names["full"]})).field("transfer_code")
	p.names["transfer:sole"] = p.derive(p.names["full"], `{"response_type":"transfer_code","capabilities":["AT","tokeninfo"],"restrictions":[{"exp":"+1h"}]}`).field("transfer_code")
	p.flows()
	return p
}

// flows are those in each state that one can have.
func (p *player) flows() {
	p.keep("dead", p.root(`{"name":"dead","restrictions":[{"exp":"+600s","scope":"openid"},{"exp":"+600s","scope":"openid profile storage.read:/"}]}`))
	for _, state := range []string{"pending", "approved", "declined", "refused"} {
		f := p.start(`{"name":"laptop:full","capabilities":` + everything + `,"restrictions":[{"exp":"+1d","scope":"openid storage.read:/","usages_AT":50}]}`)
		p.names["polling:"+state] = f.field("polling_code")
		page := f.field("consent_uri")
		code := page[strings.LastIndexByte(page, '/')+1:]
		switch state {
		case "approved":
			p.consent(page)
		case "declined":
			p.check(p.Decline(p.t.Context(), ada, code))
		case "refused":
			to, err := p.Accept(p.t.Context(), ada, code, delegation.Wish{})
			p.check(err)
			if _, err = p.custody.Callback(p.t.Context(), ada, "nop", op.Approve(p.t, to+"&login_hint=nobody")); err == nil {
				p.t.Error("a refusal was taken for an approval")
			}
		}
	}
}

// keep remembers a token and its id.
func (p *player) keep(name string, a answer) {
	p.t.Helper()
	if a.status != 200 {
		p.t.Fatalf("%s: %s", name, a)
	}
	p.names[name], p.names["id:"+name] = a.field("mytoken"), a.field("mom_id")
}

func (p *player) made(parent, name, ask string) {
	p.t.Helper()
	p.keep(name, p.derive(p.names[parent], ask))
}

var placeholder = regexp.MustCompile(`"?\{([a-z][^{}"]*)\}"?`)

// fill puts tokens, addresses and times into a request. A time loses its quotes.
func (p *player) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.Trim(found, `"{}`)
		value := p.names[name]
		switch {
		case strings.HasPrefix(name, "now"):
			seconds, err := strconv.Atoi(name[3:])
			p.check(err)
			return strconv.FormatInt(p.now().Unix()+int64(seconds), 10)
		case name == "op":
			value = op.Issuer
		case name == "issuer":
			value = p.url
		case value == "":
			p.t.Fatalf("there is no %s", name)
		}
		return strings.Replace(found, "{"+name+"}", value, 1)
	})
}

func (p *player) play(e exchange) {
	p.t.Helper()
	switch e.Name {
	case "at-provider-down":
		op.Inject(func(*http.Request) providertest.Fault { return providertest.Drop })
	case "at-provider-grant-dead":
		op.Inject(nil)
		p.ahead.Add(int64(2 * time.Minute))
	}
	body, raw := e.Body.(string)
	if !raw && e.Body != nil {
		text, err := json.Marshal(e.Body)
		p.check(err)
		body = string(text)
	}
	var headers []string
	if !raw {
		headers = append(headers, "Content-Type", "application/json")
	}
	for name, value := range e.Headers {
		headers = append(headers, name, p.fill(value))
	}
	got := p.send(e.Method, e.Path, p.fill(body), headers...)
	p.compare(e, got)
	p.learn(e, got)
}

// learn keeps what a later exchange needs.
func (p *player) learn(e exchange, got answer) {
	if e.Name == "subtoken-rotating" {
		p.names["id:child-of-rot"] = got.field("mom_id")
	}
	update, ok := got.object["token_update"].(map[string]any)
	if !ok {
		return
	}
	for name := range maps.Clone(p.names) {
		base, n, numbered := strings.Cut(name, "#")
		if numbered && strings.Contains(fmt.Sprint(e.Body), "{"+name+"}") {
			seq, err := strconv.Atoi(n)
			p.check(err)
			p.names[fmt.Sprintf("%s#%d", base, seq+1)], _ = update["mytoken"].(string)
		}
	}
}

// words are error descriptions that cannot be the same to the letter.
func words() map[string]string {
	return map[string]string{
		"at-expired":             `^token is expired by \d+s$`,
		"tokeninfo-expired":      `^token is expired by \d+s$`,
		"at-audience":            `^invalid_scope: .+`,
		"at-provider-down":       `.+`,
		"at-provider-grant-dead": `^invalid_grant: .+`,
		"settings-email":         `^/mytoken/api/v0/settings/email$`,
		"notfound":               `^/mytoken/api/v0/nope$`,
		"my-get":                 `^/mytoken/api/v0/token/my$`,
	}
}

// more and fewer are keys that only our answer has, or only the recorded one.
func different() map[string]struct{ more, fewer []string } {
	return map[string]struct{ more, fewer []string }{
		"discovery":         {more: []string{"token_endpoint"}, fewer: []string{"notifications_endpoint", "service_documentation"}},
		"settings-metadata": {fewer: []string{"email_endpoint"}},
	}
}

func (p *player) compare(e exchange, got answer) {
	p.t.Helper()
	if got.status != e.Status {
		p.t.Errorf("%s: got %s, want %d %v", e.Name, got, e.Status, e.Reply)
		return
	}
	if e.Status == http.StatusNoContent {
		if got.text != "" {
			p.t.Errorf("%s: got %s, want nothing", e.Name, got)
		}
		return
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		p.t.Errorf("%s: the answer is %s", e.Name, kind)
	}
	var v any
	if err := json.Unmarshal([]byte(got.text), &v); err != nil {
		p.t.Errorf("%s: %v", e.Name, err)
		return
	}
	have, want := keys(v), keys(e.Reply)
	d := different()[e.Name]
	for _, k := range d.more {
		want[k] = true
	}
	for _, k := range d.fewer {
		delete(want, k)
	}
	if !maps.Equal(have, want) {
		p.t.Errorf("%s: got the keys %v, want %v", e.Name, slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want)))
	}
	recorded, ok := e.Reply.(map[string]any)
	if !ok {
		return
	}
	for _, name := range []string{"error", "error_description", "mytoken_type", "token_type", "capabilities", "valid"} {
		if pattern, ok := words()[e.Name]; ok && name == "error_description" {
			if !regexp.MustCompile(pattern).MatchString(got.field(name)) {
				p.t.Errorf("%s: got %q, want %s", e.Name, got.field(name), pattern)
			}
			continue
		}
		if fmt.Sprint(got.object[name]) != fmt.Sprint(recorded[name]) {
			p.t.Errorf("%s: %s is %v, want %v", e.Name, name, got.object[name], recorded[name])
		}
	}
}

// keys are the names of all fields, with those above them; elements of a list count as one.
func keys(v any) map[string]bool {
	all := map[string]bool{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch t := v.(type) {
		case map[string]any:
			for k, v := range t {
				below := prefix
				if k != "children" || !strings.HasSuffix(prefix, "children.") { // trees are as deep as they are
					all[prefix+k] = true
					below += k + "."
				}
				walk(below, v)
			}
		case []any:
			for _, below := range t {
				walk(prefix, below)
			}
		}
	}
	walk("", v)
	return all
}
