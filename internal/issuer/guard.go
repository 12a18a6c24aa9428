package issuer

import (
	"context"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/login"
)

const maxForm = 64 << 10

// grantTypes are those that the library knows. It refuses client credentials to all of ours.
var grantTypes = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode, oidc.GrantTypeTokenExchange,
	oidc.GrantTypeClientCredentials}

// exchange is what the guard and the library's callbacks tell each other about one request, by way
// of the context: the library hands the request itself to nobody.
type exchange struct {
	login.Request
	refused *refusal // what a callback refused; the library would log every poll of a device
}

type exchangeKey struct{}

func from(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// ServeHTTP is the guard in front of the library, which takes any method, reads queries where only
// bodies may be read, and ignores a parameter given twice.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch r.URL.Path {
	case discoveryPath, metadataPath, jwksPath:
		i.public(w, r)
		return
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749 §5.1
	if e := i.check(w, r); e != nil {
		e.write(w, r)
		return
	}
	x := &exchange{Request: describe(r)}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	if r.URL.Path == authorizePath {
		p := &page{ResponseWriter: w}
		i.library.ServeHTTP(p, r)
		p.finish()
		return
	}
	i.library.ServeHTTP(&challenge{w, r, x}, r)
	if x.refused != nil {
		_ = json.NewEncoder(w).Encode(x.refused) // the client has gone if this fails
	}
}

// public serves what everybody may read, also programs on web pages of others.
func (i *Issuer) public(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		(&refusal{status: http.StatusMethodNotAllowed, Code: "invalid_request", Text: "the methods here are GET, HEAD"}).write(w, r)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	age := "max-age=3600"
	if r.URL.Path == jwksPath {
		age = "max-age=21600"
	}
	w.Header().Set("Cache-Control", "public, "+age)
	if r.URL.Path == metadataPath {
		r = r.Clone(r.Context())
		r.URL.Path = discoveryPath
	}
	i.library.ServeHTTP(w, r)
}

// refusal is an answer as in RFC 6749 §5.2.
type refusal struct {
	status int
	Code   string `json:"error"`
	Text   string `json:"error_description"`
	// Page is where the person is told more.
	Page string `json:"error_uri,omitempty"`
}

func (e *refusal) write(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == authorizePath {
		writePage(w, e.status, e.Text)
		return
	}
	c := &challenge{w, r, &exchange{refused: e}}
	c.Header().Set("Content-Type", "application/json")
	c.WriteHeader(e.status)
	_ = json.NewEncoder(c).Encode(e) // the client has gone if this fails
}

// check judges the form of a request, and reads its parameters.
func (i *Issuer) check(w http.ResponseWriter, r *http.Request) *refusal {
	if e := checkMethod(w, r); e != nil {
		return e
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return invalid("the parameters cannot be read")
	}
	for name, values := range r.Form {
		// RFC 8707 lets these two repeat.
		if len(values) > 1 && name != "resource" && name != "audience" {
			return invalid("a parameter was given twice")
		}
	}
	if kind := r.Form.Get("grant_type"); r.URL.Path == tokenPath && kind != "" && !slices.Contains(grantTypes, oidc.GrantType(kind)) {
		// The library would log, and answer, what somebody put there by mistake.
		return &refusal{status: http.StatusBadRequest, Code: string(oidc.UnsupportedGrantType), Text: "this grant type is not supported"}
	}
	if _, secret, _ := r.BasicAuth(); r.URL.Path == introspectPath && secret == "" && r.PostForm.Get("client_secret") == "" && r.PostForm.Get("client_assertion") == "" {
		return &refusal{status: http.StatusUnauthorized, Code: "invalid_client", Text: "the client must be authenticated"}
	}
	return nil
}

// checkMethod judges where a request has its parameters.
func checkMethod(w http.ResponseWriter, r *http.Request) *refusal {
	authorize, userinfo := r.URL.Path == authorizePath, r.URL.Path == userinfoPath
	methods := []string{http.MethodPost}
	if authorize || userinfo {
		methods = append(methods, http.MethodGet)
	}
	if !slices.Contains(methods, r.Method) {
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		return &refusal{status: http.StatusMethodNotAllowed, Code: "invalid_request", Text: "the methods here are " + allowed}
	}
	if !authorize && r.URL.RawQuery != "" {
		return invalid("parameters belong in the body, where they are not logged")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if bare := userinfo && kind == ""; r.Method == http.MethodPost && !bare && kind != "application/x-www-form-urlencoded" {
		return invalid("the body must be application/x-www-form-urlencoded")
	}
	return nil
}

func invalid(text string) *refusal {
	return &refusal{status: http.StatusBadRequest, Code: "invalid_request", Text: text}
}

// challenge adds what a refusal must tell: how to authenticate, when to come back.
type challenge struct {
	http.ResponseWriter
	r *http.Request
	x *exchange
}

func (c *challenge) WriteHeader(status int) {
	h := c.Header()
	if c.x.refused != nil {
		status = c.x.refused.status
	}
	bearer := c.r.Header.Get("Authorization") != "" || c.r.PostForm.Has("access_token")
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "10")
	case c.r.URL.Path != userinfoPath && status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="lanyard"`)
	case c.r.URL.Path == userinfoPath && status == http.StatusUnauthorized && bearer:
		h.Set("WWW-Authenticate", `Bearer realm="lanyard", error="invalid_token"`)
	case c.r.URL.Path == userinfoPath && status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="lanyard"`)
	case c.r.URL.Path == userinfoPath && status == http.StatusForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="lanyard", error="insufficient_scope", scope="openid"`)
	}
	c.ResponseWriter.WriteHeader(status)
}

// page holds back what the library says to a browser at /authorize: its errors are JSON.
type page struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) Write(b []byte) (int, error) {
	p.body = append(p.body, b...)
	return len(b), nil
}

func (p *page) finish() {
	var e refusal
	if p.status < 400 {
		p.ResponseWriter.WriteHeader(p.status)
		_, _ = p.ResponseWriter.Write(p.body) // the browser has gone if this fails
		return
	}
	if json.Unmarshal(p.body, &e) != nil || e.Text == "" {
		e.Text = "the request cannot be understood"
	}
	writePage(p.ResponseWriter, p.status, e.Text)
}

var errorPage = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign-in request refused</title>
<h1>This sign-in request cannot be used</h1>
<p>A program sent you here, but {{.}}.</p>
<p>Nobody was signed in and nothing was given away. Close this page and start again from the program; if it happens again, tell its maker.</p>
</html>
`))

func writePage(w http.ResponseWriter, status int, text string) {
	w.Header().Del("Location")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = errorPage.Execute(w, strings.TrimSuffix(text, ".")) // the browser has gone if this fails
}

// describe is what a request tells of itself.
func describe(r *http.Request) login.Request {
	agent := r.UserAgent()
	return login.Request{Address: caller.Address(r), Client: agent[:min(len(agent), 100)]}
}
