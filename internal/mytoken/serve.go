package mytoken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/reply"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

const (
	maxBody = 64 << 10 // bytes
	// patience is how long an answer may take. Clients give up after 20 s.
	patience = 15 * time.Second
)

// A handler returns what is sent as JSON with status 200, or nil, which is status 204.
type handler func(*call) (any, error)

// A call is one request on its way.
type call struct {
	*http.Request
	path string // below the issuer
	body []byte
	from subgrant.Asker
}

// serve is where a request leaves its one line in the log. Nothing that a client sent stands in it.
func (f *Facade) serve(w http.ResponseWriter, r *http.Request) {
	start := f.c.Service.Now()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	c := &call{Request: r.WithContext(ctx), path: strings.TrimPrefix(r.URL.Path, f.prefix),
		from: subgrant.Asker{Address: caller.Address(r), UserAgent: r.UserAgent()}}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	// Pages of others may call us: nothing here is done for a browser that does not show a token.
	h.Set("Access-Control-Allow-Origin", "*")
	route, handle := f.find(c)
	status, err := f.answer(w, c, handle)
	if err != nil {
		status = refuse(w, err)
	}
	f.log(c, route, status, f.c.Service.Now().Sub(start), err)
}

// find returns what serves a request, and its name for the log. A known path with another method is
// as unknown as any: clients are used to that.
func (f *Facade) find(c *call) (string, handler) {
	method := c.Method
	switch method {
	case http.MethodHead:
		method = http.MethodGet
	case http.MethodOptions:
		return "OPTIONS", preflight
	}
	name := method + " " + c.path
	if h, ok := f.routes[name]; ok {
		return name, h
	}
	if method == http.MethodGet && strings.HasPrefix(c.path, templatesPath+"/") {
		return "GET " + templatesPath + "/…", f.templates
	}
	return "none", notFound
}

func notFound(c *call) (any, error) {
	return nil, &delegation.Error{Status: http.StatusNotFound, Code: "not_found", Description: fmt.Sprintf("%.200s", c.URL.Path)}
}

// preflight lets pages of others send a request; answer adds what that takes.
func preflight(*call) (any, error) { return nil, nil }

// answer runs a handler. A bug in one leaves the request its answer and its line in the log.
func (f *Facade) answer(w http.ResponseWriter, c *call, handle handler) (status int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	switch c.Method {
	case http.MethodGet, http.MethodHead: // clients send "null" there
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	default:
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, c.Body, maxBody)); err != nil {
			return 0, unread(err)
		}
	}
	v, err := handle(c)
	if err != nil {
		return 0, err
	}
	return reply.JSON(w, http.StatusOK, v)
}

func unread(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &delegation.Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "the request is larger than 64 KiB"}
	}
	return delegation.Invalid("the request did not arrive completely")
}

// refusal is how every error looks: clients cannot read any other.
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func refuse(w http.ResponseWriter, err error) int {
	e, ok := errors.AsType[*delegation.Error](err)
	if !ok {
		e = delegation.Unavailable("internal error")
	}
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	_, _ = reply.JSON(w, e.Status, refusal{e.Code, e.Description}) // strings encode
	return e.Status
}

func (f *Facade) log(c *call, route string, status int, took time.Duration, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("route", route), slog.Int("status", status), slog.Int64("ms", took.Milliseconds()),
		slog.String("address", c.from.Address)}
	e, told := errors.AsType[*delegation.Error](err)
	switch {
	case errors.Is(err, context.Canceled) && c.Context().Err() != nil: // nobody waits for the answer
		attrs = append(attrs, slog.Any("err", err))
	case err != nil && !told:
		level, attrs = slog.LevelError, append(attrs, slog.Any("err", err))
	case status >= http.StatusInternalServerError:
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("err", err)) // something that we depend on
	case status == http.StatusPreconditionRequired:
		level = slog.LevelDebug // somebody waits for a person
	case told:
		attrs = append(attrs, slog.String("code", e.Code))
	}
	f.c.Log.LogAttrs(c.Context(), level, "mytoken request", attrs...)
}
