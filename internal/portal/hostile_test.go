package portal_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
)

// noOnce promises nothing.
var noOnce = audit.Once{}

// payloads are texts that run as script where something forgets to escape. The browser tests render
// the same.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `" autofocus onfocus="alert(1)`, `javascript:alert(1)`,
	`</title><script>alert(1)</script>`, `{{.Secret}}${7*7}`, `<!--<script>`, `&lt;script&gt;alert(1)`, `<a href=//evil.example>x</a>`, "\u202etxt.exe",
}

// harmless checks that a page holds the text as text, and nothing that the text wanted to be.
func (p page) harmless(payload string) {
	p.t.Helper()
	if p.resp.StatusCode == 200 && !strings.Contains(html.UnescapeString(p.body), payload) {
		p.t.Errorf("%s does not show %q", p.what, payload)
	}
	if strings.Count(p.body, "<script") != 1 || strings.Contains(p.body, "<b>") || strings.Contains(p.body, "<img") || strings.Contains(p.body, "<svg") || strings.Contains(p.body, "evil.example>") ||
		regexp.MustCompile(`<[^>]*[\s"']on[a-z]+\s*=`).MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(p.body, `""`)) {
		p.t.Errorf("%s with %q:\n%s", p.what, payload, p.body)
	}
}

func TestHostileTextIsText(t *testing.T) {
	w := newWorld(t)
	anna := w.signIn("anna")
	for i, payload := range payloads {
		name := fmt.Sprintf("p%d", i)
		_, err := w.Broker.CreateProject(t.Context(), identity.System(), broker.ProjectOrder{Name: &name, Title: &payload, Description: &payload}, noOnce)
		if err != nil { // it holds what nobody can see
			continue
		}
		_, err = w.Broker.SetMember(t.Context(), identity.System(), name, anna.actor().AccountID, identity.Manager)
		w.check(err)
		q, short := url.QueryEscape(payload), payload[:min(len(payload), 60)]
		key, err := w.Broker.Issue(t.Context(), anna.actor(), credential.Order{Kind: "s3key", ProjectID: name, Name: short, Life: time.Hour,
			Spec: fmt.Appendf(nil, `{"mode":"custom","grants":[{"bucket":"results","prefix":%q,"read":true}]}`, strings.ToValidUTF8(payload, ""))}, noOnce)
		if err != nil { // such as control characters: then it must be told as text
			anna.post("/projects/"+name+"/keys/new", filled("name", short)).is(400).harmless(short)
			continue
		}
		w.check(w.Broker.RecordUses(t.Context(), []credential.Use{{CredentialID: key.Credential.ID, At: w.clock.Now(), By: payload}}))
		at := "/keys/" + key.Credential.ID
		for _, path := range []string{"/projects?q=" + q, "/projects/" + name, "/projects/" + name + "?q=" + q, "/projects/" + name + "/keys/new?name=" + q + "&until=" + q + "&bucket1=" + q + "&prefix1=" + q,
			at, at + "/delete", "/device?user_code=" + q, "/device?check=1&user_code=" + q, "/login/local?next=/" + q} {
			anna.get(path).harmless(payload)
		}
		anna.get(at + "?done=" + q + "&since=" + q).harmless(short)
		anna.get("/keys/" + url.PathEscape(payload)).is(404).harmless("")
		anna.post(at+"/delete", url.Values{"name": {payload + "x"}}).is(400).harmless("")
		anna.post("/projects/"+name+"/keys/new", filled("name", payload, "life", payload, "until", payload, "mode", payload)).is(400).harmless("")
		w.clock.Move(time.Minute) // past the limit of codes and of sign-ins
		w.browser().post("/login/local", url.Values{"user": {payload}, "password": {payload}, "next": {payload}}).is(403).harmless("")
		d, err := w.Login.StartDevice(t.Context(), login.DeviceRequest{ClientID: payload, Host: payload}, login.Request{Address: "198.51.100.7"})
		w.check(err)
		anna.get("/device?check=1&user_code=" + d.UserCode).is(200).harmless(payload)
	}
	anna.get("/projects").harmless(payloads[0])
	anna.get("/account").harmless("")
}
