package provider_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/provider"
)

// says answers everything but discovery with one status and body, or not at all without a status.
type says struct {
	status    int
	body      []byte
	discovery string
}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: s.status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(string(s.body)))}
	if strings.Contains(r.URL.Path, "/.well-known/") {
		resp.StatusCode, resp.Body = http.StatusOK, io.NopCloser(strings.NewReader(s.discovery))
	} else if s.status == 0 {
		return nil, errors.New("broken")
	}
	return resp, nil
}

var fuzzed = map[string]struct {
	config    grant.Provider
	discovery string
}{
	"oauth": {grant.Provider{ID: "x", Issuer: "https://x.example.org", ClientID: "us", Scopes: []string{"openid"}},
		`{"issuer":"https://x.example.org","authorization_endpoint":"https://x.example.org/a","token_endpoint":"https://x.example.org/t"}`},
	"mytoken": {grant.Provider{ID: "x", Type: grant.MyToken, Issuer: "https://x.example.org", UpstreamIssuer: "https://y.example.org", Scopes: []string{"openid"}},
		`{"issuer":"https://x.example.org","mytoken_endpoint":"https://x.example.org/m","access_token_endpoint":"https://x.example.org/a","revocation_endpoint":"https://x.example.org/r"}`},
}

func seeds(f *testing.F) {
	for _, body := range []string{`{"access_token":"at","expires_in":3600,"refresh_token":"rt","scope":"openid","id_token":"x"}`,
		`{"access_token":"e30.eyJhdWQiOlsiYSIsImIiXSwiZXhwIjoxNzk1MjYyNDYwfQ.c2ln","expires_in":"1","refresh_expires_in":1e400}`,
		`{"access_token":"at","token_update":{"mytoken":"mt2","expires_in":1}}`,
		`{"mytoken":"mt","mytoken_type":"token","expires_in":9,"capabilities":["AT"],"restrictions":[{"exp":1795262460,"scope":"openid"}]}`,
		`{"mytoken":"mt","capabilities":["AT"],"restrictions":[{"exp":-1,"scope":"","audience":[""]}]}`} {
		f.Add(200, []byte(body))
	}
	for status, body := range map[int]string{400: `{"error":"invalid_grant","error_description":"of the-refresh-token"}`, 401: `{"error":["x"]}`, 403: `{"error":"usage_restricted"}`,
		428: `{"error":"authorization_pending"}`, 502: `<html>`, 555: `{"error":"oidc_error","error_description":"a:b"}`} {
		f.Add(status, []byte(body))
	}
}

// Whatever a provider answers: tokens that can be used, or a refusal that tells no secret.
func FuzzRefresh(f *testing.F) {
	seeds(f)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 { // the transport lets no others through
			return
		}
		for kind, s := range fuzzed {
			c, err := provider.New(s.config, "https://us.example.org", says{status, body, s.discovery}, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Refresh(t.Context(), "the-refresh-token", grant.Wish{})
			switch r, refused := errors.AsType[*grant.Refusal](err); {
			case err == nil && (got.Access == "" || got.AccessExpiresAt.IsZero() || got.Refresh == "the-refresh-token" || status != 200 && status != 201):
				t.Errorf("%s: %+v", kind, got)
			case err != nil && (!refused || r.Class == "" || strings.Contains(r.Error(), "the-refresh-token") || len(r.Error()) > 2000):
				t.Errorf("%s: %q", kind, err)
			}
		}
	})
}

// Whatever a mytoken server issues: no more than was asked for, or nothing.
func FuzzMyTokenReply(f *testing.F) {
	seeds(f)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		s := fuzzed["mytoken"]
		c, err := provider.New(s.config, "", says{status, body, s.discovery}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Poll(t.Context(), []byte(`{"polling_code":"x","until":"2026-11-21T12:05:00Z","lifetime":"2026-11-22T12:00:00Z","scopes":["openid"]}`))
		_, refused := errors.AsType[*grant.Refusal](err)
		switch {
		case err != nil && !errors.Is(err, grant.ErrPending) && !refused && fault.CodeOf(err) != fault.Denied:
			t.Errorf("%v", err)
		case err == nil && (got.Refresh == "" || got.RefreshExpiresAt.After(now.Add(25*time.Hour)) || strings.Trim(strings.Join(got.Scopes, ""), "openid") != ""):
			t.Errorf("%+v", got)
		}
	})
}

// What comes back by a browser is anybody's.
func FuzzRedirectAnswer(f *testing.F) {
	for _, query := range []string{"code=a&state=b&iss=https://x.example.org", "error=access_denied", "error=a%00b&error_description=%1b", "code=a&code=b", ""} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		answer, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		s := fuzzed["oauth"]
		c, err := provider.New(s.config, "", says{400, []byte(`{"error":"invalid_grant"}`), s.discovery}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Finish(t.Context(), []byte(`{"verifier":"v","nonce":"n","until":"2126-01-01T00:00:00Z"}`), answer)
		if fault.CodeOf(err) != fault.Denied || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
			t.Errorf("%q", err)
		}
	})
}
