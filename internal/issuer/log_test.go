package issuer_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/internal/standin"
)

// TestLibraryLogsNoWordOfCallers is not parallel: the library logs where all of the program does.
func TestLibraryLogsNoWordOfCallers(t *testing.T) {
	var log standin.Log
	usual := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: issuer.LogAttr})))
	defer slog.SetDefault(usual)
	w := newWorld(t)
	const canary = "canary-of-a-caller"
	for name, a := range map[string]answer{
		"an unknown type of assertion": w.post("/token", redeem("x", "client_id", "", "client_assertion_type", canary, "client_assertion", canary), nil),
		"a broken Authorization":       w.post("/token", redeem("x", "client_id", ""), func(r *http.Request) { r.SetBasicAuth("hub", canary+"%zz") }),
		"an unknown client":            w.post("/token", redeem("x", "client_id", canary), nil),
	} {
		if a.status < 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if text := log.String(); strings.Contains(text, canary) || strings.Contains(text, "%zz") {
		t.Errorf("the log repeats a caller:\n%s", text)
	} else if !strings.Contains(text, `msg="request error" oidc_error.type=invalid_request`) {
		t.Errorf("the log does not tell what was refused:\n%s", text)
	}
}
