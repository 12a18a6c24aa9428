package mytoken

import (
	"encoding/json"
	"mime"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/material"
)

// maxNesting is how deep the JSON of a request can be nested. No request needs more than four.
const maxNesting = 16

// decode reads the request as JSON, whatever its Content-Type is. Fields that v does not have are
// passed over: newer clients send more of them.
func (c *call) decode(v any) error {
	if nested(c.body) > maxNesting {
		return delegation.Invalid("the request is nested too deeply")
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return delegation.Invalid("%.300s", err)
	}
	return nil
}

// nested is how deep arrays and objects of a JSON text are nested.
func nested(text []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			depth++
			deepest = max(deepest, depth)
		case b == '}' || b == ']':
			depth--
		}
	}
	return deepest
}

// decodeEither is decode where forms are accepted too; form reads one.
func (c *call) decodeEither(v any, form func(url.Values)) error {
	kind, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return c.decode(v)
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(c.body))
		if err != nil {
			return delegation.Invalid("the form cannot be read")
		}
		form(values)
		return nil
	}
	return delegation.Invalid("Unprocessable Entity")
}

// token is the mytoken that the request shows: the one that its body gave, else that of the
// Authorization header, else that of the cookie. We set no such cookie; some programs do.
func (c *call) token(given string) material.Secret {
	if given != "" {
		return material.Secret(given)
	}
	if scheme, text, ok := strings.Cut(c.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return material.Secret(strings.TrimSpace(text))
	}
	if cookie, err := c.Cookie("mytoken"); err == nil {
		return material.Secret(cookie.Value)
	}
	return ""
}
