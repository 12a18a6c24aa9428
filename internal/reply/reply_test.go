package reply_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lanyardhq/lanyard/internal/reply"
)

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		name   string
		v      any
		status int
		body   string
	}{
		{"an answer", map[string]string{"url": "https://a.example/?b=c&d=<e>"}, http.StatusTeapot, "{\"url\":\"https://a.example/?b=c&d=<e>\"}\n"},
		{"none", nil, http.StatusNoContent, ""},
	} {
		w := httptest.NewRecorder()
		status, err := reply.JSON(w, http.StatusTeapot, tt.v)
		if err != nil || status != tt.status || w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d, %v: sent %d %q", tt.name, status, err, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); (kind == "application/json") != (tt.v != nil) {
			t.Errorf("%s is %q", tt.name, kind)
		}
	}
}

func TestJSONFailsBeforeItSends(t *testing.T) {
	w := httptest.NewRecorder()
	if _, err := reply.JSON(w, http.StatusOK, func() {}); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("%v, after %q", err, w.Body)
	}
}
