package call

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// How many items a page holds: what callers get who do not say, and the most.
const (
	pageSize    = 100
	maxPageSize = 1000
)

// Body decodes the request's JSON strictly: a field that does nothing would leave somebody
// believing that it did.
func Body[T any](c *Call) (T, error) {
	var v T
	if len(bytes.TrimSpace(c.body)) == 0 {
		return v, fault.New(fault.Invalid, "the body is empty: send a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, explain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, fault.New(fault.Invalid, "something follows the JSON object in the body")
	}
	return v, nil
}

// OptionalBody is Body, where no body at all means the zero value.
func OptionalBody[T any](c *Call) (v T, err error) {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return v, nil
	}
	return Body[T](c)
}

// explain says in words why the body cannot be read.
func explain(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fault.New(fault.Invalid, "the body is not JSON: wrong at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := "the body"
		if e.Field != "" {
			where = fmt.Sprintf("%q", e.Field)
		}
		return fault.New(fault.Invalid, "%s cannot be a JSON %s", where, e.Value)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return fault.New(fault.Invalid, "a time in the body is not RFC 3339, such as 2026-12-01T12:00:00Z")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.New(fault.Invalid, "there is no field %s here", name)
	}
	return fault.New(fault.Invalid, "the body is not complete JSON").WithCause(err)
}

// Once reads the Idempotency-Key. Its fingerprint binds it to what was asked.
func (c *Call) Once() (audit.Once, error) {
	key := c.Header.Get("Idempotency-Key")
	if key == "" {
		return audit.Once{}, nil
	}
	if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
		return audit.Once{}, fault.New(fault.Invalid, "an Idempotency-Key is 1 to 255 visible ASCII characters")
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", c.Method, c.URL.EscapedPath()) // neither holds a line break
	h.Write(c.body)
	return audit.Once{Key: key, Fingerprint: hex.EncodeToString(h.Sum(nil))}, nil
}

// checkQuery refuses parameters that the route does not know: a filter with a slip in its name must
// not select everything.
func checkQuery(c *Call, known []string) error {
	q, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "the query cannot be read")
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			f := fault.New(fault.Invalid, "there is no parameter %.60q here", name)
			if len(known) > 0 {
				f = f.WithHint("possible are %s", strings.Join(known, ", "))
			}
			return f
		}
		if len(values) > 1 && name != "state" {
			return fault.New(fault.Invalid, "parameter %q stands twice", name)
		}
	}
	return nil
}

// Limit reads the size of a page.
func (c *Call) Limit() (int, error) {
	s := c.URL.Query().Get("limit")
	if s == "" {
		return pageSize, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPageSize {
		return 0, fault.New(fault.Invalid, "limit is a number from 1 to %d", maxPageSize)
	}
	return n, nil
}

// Page cuts one item more than was asked for off again, which tells that there is a next page.
func Page[T any](items []T, limit int, cursor func(T) string) ([]T, *string) {
	if len(items) <= limit {
		return items, nil
	}
	items = items[:limit]
	next := cursor(items[limit-1])
	return items, &next
}

// Seconds turns a duration of the wire into ours.
func Seconds(n int64) (time.Duration, error) {
	if n > math.MaxInt64/int64(time.Second) || n < math.MinInt64/int64(time.Second) {
		return 0, fault.New(fault.Invalid, "%d seconds are more than can be counted with", n)
	}
	return time.Duration(n) * time.Second, nil
}
