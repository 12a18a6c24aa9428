package signin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/signin"
)

const server = "http://127.0.0.1:8080"

// issuer is a small OAuth server inside the test, reached without a network. It rotates refresh
// tokens and ends the session when one comes back.
type issuer struct {
	mu        sync.Mutex
	n         int
	refresh   string // the one refresh token that is good; "" after the session's end
	refreshes int
	reused    bool
	polls     []time.Time
	device    []string // error codes to answer to polls, in order; then tokens
	forms     []url.Values
	down      bool
	why       string // what it says of the end of a session
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	form := url.Values{}
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(text)); err != nil {
			return nil, err
		}
		i.forms = append(i.forms, form)
	}
	if i.down {
		return i.answer(http.StatusBadGateway, "<html>"), nil
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		return i.answer(200, map[string]string{"issuer": server, "authorization_endpoint": server + "/authorize",
			"token_endpoint": server + "/token", "device_authorization_endpoint": server + "/device_authorization",
			"revocation_endpoint": server + "/revoke"}), nil
	case "/device_authorization":
		return i.answer(200, map[string]any{"device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": server + "/device",
			"verification_uri_complete": server + "/device?user_code=WDJB-MJHT", "expires_in": 600, "interval": 5}), nil
	case "/revoke":
		i.refresh = ""
		return i.answer(200, nil), nil
	case "/token":
		return i.token(form), nil
	}
	return i.answer(404, nil), nil
}

func (i *issuer) token(form url.Values) *http.Response {
	refuse := func(code string) *http.Response { return i.answer(400, map[string]string{"error": code}) }
	switch form.Get("grant_type") {
	case "refresh_token":
		i.refreshes++
		if i.refresh == "" || form.Get("refresh_token") != i.refresh {
			i.reused, i.refresh = i.refresh != "", ""
			if i.why != "" {
				return i.answer(400, map[string]string{"error": "invalid_grant", "error_description": i.why, "error_uri": server + "/account"})
			}
			return refuse("invalid_grant")
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.polls = append(i.polls, time.Now())
		if len(i.device) > 0 {
			code := i.device[0]
			i.device = i.device[1:]
			if code == "502" {
				return i.answer(502, "<html>")
			}
			return refuse(code)
		}
	}
	i.n++
	i.refresh = fmt.Sprintf("refresh-%d", i.n)
	return i.answer(200, map[string]any{"access_token": fmt.Sprintf("access-%d", i.n), "refresh_token": i.refresh,
		"token_type": "Bearer", "expires_in": 600})
}

func (i *issuer) answer(status int, v any) *http.Response {
	text, ok := v.(string)
	if !ok && v != nil {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(text))}
}

func (i *issuer) provider(t *testing.T) *signin.Provider {
	t.Helper()
	p := &signin.Provider{HTTP: &http.Client{Transport: i}, Host: "lumi-login2", Now: time.Now}
	if err := p.Discover(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	return p
}
