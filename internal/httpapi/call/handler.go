// Package call is one request of the REST edge: who makes it, what it says, read strictly, and what
// is answered. It is the one place where an error becomes a status. It knows no route and no use
// case, and imports rows 0 and 1.
package call

import (
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
	"github.com/lanyardhq/lanyard/internal/reply"
	"github.com/lanyardhq/lanyard/material"
)

const maxBody = 1 << 20 // bytes

// A Call is one request on its way through a handler.
type Call struct {
	*http.Request
	ID    string
	By    identity.Actor
	Reply http.Header // of the answer
	body  []byte
}

// A Route is one request that is answered.
type Route struct {
	Method string
	Path   string   // below the prefix, with {names}
	Query  []string // the names of its parameters; others are refused
	Open   bool     // answered without a token
	// Serve returns what is sent as JSON, with status 200 unless it is a Created; a File; or nil,
	// which is status 204.
	Serve func(*Call) (any, error)
}

// A Created answer has status 201.
type Created struct{ Answer any }

// A File is an answer to be stored. Its text may hold a secret.
type File struct {
	Name, Type string // Type: the media type
	Text       material.Secret
}

// Handler serves r. It is where a request leaves its one line in the log.
func (r Route) Handler(identify Identifier, now func() time.Time, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := now()
		c := &Call{Request: req, ID: "req_" + rand.Text()[:16], Reply: w.Header()}
		c.Reply.Set("X-Request-Id", c.ID)
		c.Reply.Set("Cache-Control", "no-store")
		c.Reply.Set("X-Content-Type-Options", "nosniff")
		c.Reply.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		c.Reply.Set("Referrer-Policy", "no-referrer")
		answer, err := r.answer(w, c, identify)
		status := http.StatusOK
		if err == nil {
			status, err = write(w, answer)
		}
		if err != nil {
			status = c.refuse(w, err)
		}
		c.log(log, r, status, now().Sub(start), err)
	})
}

// answer runs the handler of r. A bug in one must neither tell the caller how our code looks nor
// leave the request without its line in the log.
func (r Route) answer(w http.ResponseWriter, c *Call, identify Identifier) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if !r.Open {
		if c.By, err = identify(c); err != nil {
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
	return r.Serve(c)
}

// write sends an answer. It fails before anything is sent, or never.
func write(w http.ResponseWriter, v any) (status int, err error) {
	switch t := v.(type) {
	case File:
		w.Header().Set("Content-Type", t.Type)
		if t.Name != "" {
			w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", t.Name))
		}
		_, _ = io.WriteString(w, t.Text.Reveal()) // the caller may have left: nothing to do about it
		return http.StatusOK, nil
	case Created:
		return reply.JSON(w, http.StatusCreated, t.Answer)
	}
	return reply.JSON(w, http.StatusOK, v)
}

// statusGone is logged where the caller has left and nobody reads an answer. It is nginx's: RFC 9110
// has none for that.
const statusGone = 499

// refuse sends the problem document for err.
func (c *Call) refuse(w http.ResponseWriter, err error) (status int) {
	if errors.Is(err, context.Canceled) && c.Context().Err() != nil {
		w.WriteHeader(statusGone)
		return statusGone
	}
	f := fault.Public(err)
	if f.Code == fault.Internal && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		f = fault.New(fault.Unavailable, "the request was given up before it was done")
	}
	p := api.Problem{Type: "about:blank", Status: api.Status(string(f.Code)), Code: string(f.Code), Detail: f.Message,
		Hint: f.Hint, RequestID: c.ID, RetryAfter: int64(math.Ceil(f.RetryAfter.Seconds()))}
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

func (c *Call) log(log *slog.Logger, r Route, status int, took time.Duration, err error) {
	level, account := slog.LevelInfo, c.By.AccountID
	if c.By.Operator {
		account = c.By.Name
	}
	attrs := []slog.Attr{
		slog.String("route", r.Method+" "+r.Path), slog.Int("status", status),
		slog.Int64("ms", took.Milliseconds()), slog.String("request_id", c.ID), slog.String("account", account),
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
	log.LogAttrs(c.Context(), level, "api request", attrs...)
}
