package issuer

import "log/slog"

// LogAttr keeps what callers wrote out of what the library logs through slog's default logger: of a
// refusal its type remains, because texts and causes repeat parts of requests, which may be secrets
// in the wrong place. Failures of ours are logged by us. It is a ReplaceAttr of slog.HandlerOptions.
func LogAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 && groups[0] == "oidc_error" && a.Key != "type" {
		return slog.Attr{}
	}
	return a
}
