package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

const maxBody = 1 << 20 // bytes

// A call is one request on its way through a handler.
type call struct {
	*http.Request
	id     string
	by     identity.Actor
	body   []byte
	header http.Header // of the answer
}

// A created answer has status 201.
type created struct{ any }

// A file is an answer to be stored. Its text may hold a secret.
type file struct {
	name, kind string // kind: the media type
	text       material.Secret
}

// handler serves r. It is the one place where an error becomes a status, and where a request leaves
// its one line in the log.
func (a *API) handler(r Route, identify identifier) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := a.Now()
		c := &call{Request: req, id: "req_" + rand.Text()[:16], header: w.Header()}
		c.header.Set("X-Request-Id", c.id)
		c.header.Set("Cache-Control", "no-store")
		c.header.Set("X-Content-Type-Options", "nosniff")
		c.header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		c.header.Set("Referrer-Policy", "no-referrer")
		answer, err := r.answer(w, c, identify)
		status := http.StatusOK
		if err == nil {
			status, err = write(w, answer)
		}
		if err != nil {
			status = c.refuse(w, err)
		}
		a.log(c, r, status, a.Now().Sub(start), err)
	})
}

// answer runs the handler of r. A bug in one must neither tell the caller how our code looks nor
// leave the request without its line in the log.
func (r Route) answer(w http.ResponseWriter, c *call, identify identifier) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if !r.Open {
		if c.by, err = identify(c); err != nil {
			return nil, err
		}
		if err := checkQuery(c, r.Query); err != nil {
			return nil, err
		}
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, c.Body, maxBody)); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return nil, fault.New(fault.Invalid, "the body is larger than 1 MiB")
			}
			return nil, fault.New(fault.Invalid, "the body did not arrive completely").WithCause(err)
		}
	}
	return r.serve(c)
}

// write sends an answer. It fails before anything is sent, or never.
func write(w http.ResponseWriter, v any) (status int, err error) {
	status = http.StatusOK
	switch t := v.(type) {
	case nil:
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent, nil
	case file:
		w.Header().Set("Content-Type", t.kind)
		if t.name != "" {
			w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", t.name))
		}
		_, _ = io.WriteString(w, t.text.Reveal()) // the caller may have left: nothing to do about it
		return status, nil
	case created:
		v, status = t.any, http.StatusCreated
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return 0, fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
	return status, nil
}

// refuse sends the problem document for err.
func (c *call) refuse(w http.ResponseWriter, err error) (status int) {
	f := fault.Public(err)
	if f.Code == fault.Internal && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		f = fault.New(fault.Unavailable, "the request was given up before it was done")
	}
	p := api.Problem{Type: "about:blank", Status: api.Status(string(f.Code)), Code: string(f.Code), Detail: f.Message,
		Hint: f.Hint, RequestID: c.id, RetryAfter: int64(math.Ceil(f.RetryAfter.Seconds()))}
	p.Title = http.StatusText(p.Status)
	h := w.Header()
	h.Del("Location")
	h.Set("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	if f.Code == fault.Unauthenticated {
		challenge := `Bearer realm="lanyard"`
		if c.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"` // RFC 6750 §3.1
		}
		h.Set("WWW-Authenticate", challenge)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // strings and numbers encode; the caller may have left
	return p.Status
}

func (a *API) log(c *call, r Route, status int, took time.Duration, err error) {
	level, account := slog.LevelInfo, c.by.AccountID
	if c.by.Operator {
		account = c.by.Name
	}
	attrs := []slog.Attr{
		slog.String("route", r.Method+" "+r.Path), slog.Int("status", status),
		slog.Int64("ms", took.Milliseconds()), slog.String("request_id", c.id), slog.String("account", account),
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		attrs = append(attrs, slog.String("code", string(f.Code)))
		err = f.Cause // what the caller was told is no news; what lies behind it is
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.Log.LogAttrs(c.Context(), level, "api request", attrs...)
}

func noRoute(c *call) (any, error) {
	return nil, fault.New(fault.NotFound, "there is no %s %.100s here", c.Method, c.URL.Path).
		WithHint("the routes are listed at %s/openapi.yaml", Prefix)
}
