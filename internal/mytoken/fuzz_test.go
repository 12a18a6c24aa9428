package mytoken_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Whatever a stranger sends: an answer that clients can read, and no failure of ours.
func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	token := w.root(`{"capabilities":` + everything + `}`).field("mytoken")
	routes := []string{"POST " + my, "POST " + access, "POST " + revoke, "POST " + transfer, "POST " + tokeninfo, "GET /api/v0/settings/grants",
		"DELETE /api/v0/settings/grants", "GET /api/v0/pt/kit/profiles", "GET /.well-known/mytoken-configuration", "PATCH /api/v0//pt/../x"}
	for _, one := range []string{
		`{"grant_type":"oidc_flow","oidc_flow":"authorization_code","oidc_issuer":"` + op.Issuer + `","restrictions":[{"exp":"+1d","nbf":"2026-01-01 10:00","hosts":["this"],"usages_AT":1}]}`,
		`{"grant_type":"oidc_flow","include":["kit/c4p-htcondor","_/web-default"],"capabilities":"@all","rotation":{"include":"at-other"}}`,
		`{"grant_type":"mytoken","mytoken":"{token}","capabilities":["AT"],"restrictions":[{"scope":"openid","ip":["10.0.0.0/8"]}],"max_token_len":70}`,
		`{"grant_type":"polling_code","polling_code":"x"}`, `{"grant_type":"transfer_code","transfer_code":null}`,
		`{"grant_type":"mytoken","mytoken":"{token}","scope":"openid","audience":"x y"}`,
		`{"action":"event_history","mytoken":"{token}","mom_ids":["this","children","children@x"]}`, `{"action":"list_mytokens"}`,
		`{"token":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.y.z","recursive":true}`, `{"mytoken":"{token}"}`, `null`, `[[[[`, `{"a":"\u0000"}`,
		`grant_type=mytoken&mytoken={token}&scope=openid`, `token=%7B&recursive=maybe`,
	} {
		for i := range routes {
			f.Add(uint(i), one, "application/json", "Bearer {token}")
		}
		f.Add(uint(1), one, "application/x-www-form-urlencoded", "")
	}
	f.Fuzz(func(t *testing.T, route uint, body, kind, authorization string) {
		route %= uint(len(routes))
		method, path, _ := strings.Cut(routes[route], " ")
		fill := func(s string) string { return strings.ReplaceAll(s, "{token}", token) }
		if path == revoke {
			fill = strings.Clone // it shall live on
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/mytoken"+path, strings.NewReader(fill(body)))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", fill(authorization))
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code == http.StatusNoContent && rec.Body.Len() == 0 {
			return
		}
		if !json.Valid(rec.Body.Bytes()) || rec.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%d %q", rec.Code, rec.Body)
		}
		if rec.Code == http.StatusOK {
			return
		}
		var e struct {
			Error       string
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Error == "" || !slices.Contains([]int{400, 401, 403, 404, 413, 428, 429}, rec.Code) {
			t.Fatal(fmt.Errorf("%d %s: %w", rec.Code, rec.Body, err))
		}
		if len(e.Description) > 1000 || strings.Contains(e.Description, token) {
			t.Fatalf("the error says %q", e.Description)
		}
	})
}
