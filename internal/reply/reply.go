// Package reply sends JSON to whoever called. It imports the standard library only.
package reply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// JSON sends v, or status 204 if it is nil, and returns the status. It fails before anything is sent,
// or never.
func JSON(w http.ResponseWriter, status int, v any) (int, error) {
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent, nil
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // it is no page
	if err := e.Encode(v); err != nil {
		return 0, fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the caller may have left: nothing to do about it
	return status, nil
}
