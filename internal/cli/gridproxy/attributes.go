package gridproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// wanted is what is asked of one VO.
type wanted struct {
	alias   string
	servers []vomses.Server
	request protocol.Request
}

// plan finds the servers of every VO and puts requests for the same VO together.
func (r *run) plan() ([]wanted, error) {
	var all []wanted
	var known []vomses.Server
	loaded := false
	for _, vo := range r.VOs {
		if slices.ContainsFunc(all, func(w wanted) bool { return w.alias == vo.Alias }) {
			continue
		}
		servers := vomses.ByName(r.Servers, vo.Alias)
		if len(servers) == 0 && !loaded {
			var err error
			if known, err = r.vomses(); err != nil {
				return nil, err
			}
			loaded = true
		}
		if len(servers) == 0 {
			servers = vomses.ByName(known, vo.Alias)
		}
		if len(servers) == 0 {
			return nil, r.unknown(vo.Alias, known)
		}
		all = append(all, wanted{vo.Alias, servers, r.request(vo.Alias, servers[0].VO)})
	}
	return all, nil
}

// vomses reads the files that name servers.
func (r *run) vomses() ([]vomses.Server, error) {
	servers, err := vomses.Load(vomses.SearchPath(r.Vomses, r.Home, r.Getenv))
	if err != nil {
		return nil, &Error{Reason: Vomses, Fault: fault.New(fault.Invalid, "the servers of VOs cannot be read: %v", err).
			WithHint("correct that file, or name another with --vomses").WithCause(err)}
	}
	return servers, nil
}

func (r *run) unknown(alias string, servers []vomses.Server) *Error {
	e := &Error{Reason: UnknownVO, Alias: alias}
	for _, s := range slices.Concat(r.Servers, servers) {
		if !slices.Contains(e.Known, s.Alias) {
			e.Known = append(e.Known, s.Alias)
		}
	}
	slices.Sort(e.Known)
	hint := "ask the VO for its vomses line and put it into ~/.voms/vomses"
	if len(e.Known) > 0 {
		hint = fmt.Sprintf("known here: %s; %s", strings.Join(e.Known[:min(len(e.Known), 20)], ", "), hint)
	}
	e.Fault = fault.New(fault.NotFound, "no server of the VO %q is known", alias).WithHint("%s", hint)
	return e
}

// request puts together all that is asked of the VO under alias, whose own name is vo.
func (r *run) request(alias, vo string) protocol.Request {
	q := protocol.Request{Lifetime: r.ACLifetime, Order: r.Order, Targets: r.Targets}
	switch q.Lifetime {
	case 0:
		q.Lifetime = r.Lifetime
	case ServerLifetime:
		q.Lifetime = 0
	}
	plain := 0
	for _, v := range r.VOs {
		switch {
		case v.Alias != alias:
		case v.All:
			q.All = true
		case len(v.FQANs) == 0:
			plain++
			q.FQANs = append(q.FQANs, "/"+vo)
		default:
			q.FQANs = append(q.FQANs, v.FQANs...)
		}
	}
	if plain == len(q.FQANs) || q.All {
		q.FQANs = nil // nothing in particular
	}
	return q
}

// anchors are what servers and attribute certificates are verified with.
type anchors struct {
	store *trust.Store
	err   error
}

// trusted loads the authorities, once.
func (r *run) trusted() (*trust.Store, error) {
	if r.Trust != nil {
		return r.Trust, nil
	}
	if a := &r.anchors; a.store == nil && a.err == nil {
		dir := CertDir(r.Config, r.CertDir)
		store, err := trust.Load(dir)
		if err != nil {
			a.err = noAuthorities(dir, err)
		}
		a.store = store
	}
	return r.anchors.store, r.anchors.err
}

// ask gets one attribute certificate of every VO.
func (r *run) ask(ctx context.Context, all []wanted) error {
	if len(all) == 0 {
		return nil
	}
	store, err := r.trusted()
	if err != nil {
		return err
	}
	for _, w := range all {
		client := protocol.Client{Credential: r.issuer.TLS(), Trust: store, Timeout: r.Timeout, SkipHostname: r.SkipHostname,
			Legacy: r.Legacy, UserAgent: r.UserAgent, Now: r.Now,
			Contacting: func(s vomses.Server) { r.report(Contacting{w.alias, s}) },
			Contacted: func(s vomses.Server, err error) {
				if err != nil {
					r.report(Refused{w.alias, s, err})
					return
				}
				r.report(Contacted{w.alias, s})
			},
		}
		answer, server, err := client.Get(ctx, w.servers, w.request)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return refused(w, err)
		}
		if err := r.take(w, server, answer); err != nil {
			return err
		}
	}
	return nil
}

// take keeps what a server gave.
func (r *run) take(w wanted, server vomses.Server, answer protocol.Answer) error {
	for _, text := range answer.Warnings {
		r.report(Warned{w.alias, server, text})
	}
	if len(answer.Warnings) > 0 && r.FailOnWarn {
		return &Error{Reason: Warning, Alias: w.alias, Server: &server,
			Fault: fault.New(fault.Conflict, "%s warns: %s", server.Address(), strings.Join(answer.Warnings, "; ")).
				WithHint("take the attributes as they are, without --failonwarn, or ask for less")}
	}
	ac, err := voms.Parse(answer.AC)
	if err != nil {
		return refused(w, &protocol.Unanswered{VO: w.alias, Failures: []protocol.Failure{{Server: server, Err: err}}})
	}
	r.result.ACs = append(r.result.ACs, AC{Alias: w.alias, Server: server, AC: ac})
	return nil
}

// refused says why a VO gave nothing.
func refused(w wanted, err error) *Error {
	e := &Error{Reason: NoAttributes, Alias: w.alias}
	hint := "see the reasons above; try again later if a server does not answer"
	code := fault.Unavailable
	var texts []string
	if u, ok := errors.AsType[*protocol.Unanswered](err); ok {
		for _, f := range u.Failures {
			e.Servers = append(e.Servers, ServerError{f.Server, f.Err})
			texts = append(texts, fmt.Sprintf("%s: %v", f.Server.Address(), f.Err))
			if p, ok := errors.AsType[*protocol.Error](f.Err); ok {
				code, hint = fault.Denied, advice(p)
			} else if t, ok := errors.AsType[*trust.Error](f.Err); ok {
				hint = trustAdvice(t)
			}
		}
	} else {
		texts = append(texts, err.Error())
	}
	e.Fault = fault.New(code, "the VO %s gave no attributes: %s", w.alias, strings.Join(texts, "; ")).WithHint("%s", hint).WithCause(err)
	return e
}

// advice says what to do about a refusal.
func advice(e *protocol.Error) string {
	switch e.Code {
	case protocol.NoSuchUser:
		return "ask the VO's managers to register this certificate"
	case protocol.SuspendedUser:
		return "ask the VO's managers why you are suspended; often the rules of the VO have to be accepted anew"
	case protocol.NoSuchAttribute, protocol.BadRequest:
		return "ask for groups and roles that you hold; without any you get those of every member"
	default:
		return "try again later, or ask the VO's managers"
	}
}
