package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// An issuer is a token endpoint under measurement.
type issuer struct {
	name, address            string // host:port
	server                   process.Process
	authorize                string // path
	client, redirect, prompt string
	follow                   func(context.Context, string) (url.Values, error)
	subject                  url.Values // more for the authorization of a token that is then exchanged
	narrower                 string     // scope of what it is exchanged for
}

const urn = "urn:ietf:params:oauth:"

// endpoint measures refreshes and exchanges, both of which make a token that is signed with ES256 for
// a storage.
func (b *bench) endpoint(ctx context.Context) (table, error) {
	t := table{title: "Token endpoint", lines: [][]string{{"request", "clients", "per second", "oidc-provider", "ratio", "p50, p99, ms", "oidc-provider",
		"CPU, µs", "oidc-provider", "ratio", "goal"}}}
	at, err := b.newSite(ctx, "endpoint", "http://127.0.0.1:1", "")
	if err != nil {
		return t, err
	}
	x, err := at.start(ctx)
	if err != nil {
		return t, err
	}
	defer x.stop()
	ours, err := x.issuer(ctx)
	if err != nil {
		return t, fmt.Errorf("%w\n%s", err, &x.log)
	}
	nop, err := providertest.Launch(providertest.Options{Scopes: []string{readable}, Rotate: true, JWT: true, Direct: true})
	if err != nil {
		return t, err
	}
	defer func() { _ = nop.Close() }()
	theirs := issuer{name: "oidc-provider", address: strings.TrimPrefix(nop.Issuer, "http://"), server: process.Process{Name: "oidc-provider", PID: nop.PID()},
		authorize: "/auth", client: "public", redirect: providertest.Redirect, prompt: "consent", follow: nop.Follow, narrower: readable}
	for _, request := range []struct {
		name string
		make func(issuer, context.Context) (worker, error)
	}{{"refresh", issuer.refresher}, {"exchange", issuer.exchanger}} {
		for _, clients := range []int{1, 16} {
			we, they, err := b.compare(ctx, ours, theirs, clients, request.make)
			if err != nil {
				return t, fmt.Errorf("%s: %w\n%s", request.name, err, &x.log)
			}
			cpu := we.cpu.Seconds() / they.cpu.Seconds()
			t.lines = append(t.lines, []string{request.name, strconv.Itoa(clients), fmt.Sprintf("%.0f", we.rate), fmt.Sprintf("%.0f", they.rate),
				fmt.Sprintf("%.2f×", we.rate/they.rate), ms(we.p50) + ", " + ms(we.p99), ms(they.p50) + ", " + ms(they.p99),
				strconv.FormatInt(we.cpu.Microseconds(), 10), strconv.FormatInt(they.cpu.Microseconds(), 10), fmt.Sprintf("%.2f×", cpu), verdict("CPU < 1×", cpu < 1)})
		}
	}
	return t, nil
}

// compare drives two issuers in turns.
func (b *bench) compare(ctx context.Context, ours, theirs issuer, clients int, workers func(issuer, context.Context) (worker, error)) (load, load, error) {
	rounds, within := 5, 2*time.Second
	if b.quick {
		rounds, within = 1, time.Second
	}
	var all [2][]worker
	for n, i := range []issuer{ours, theirs} {
		for range clients {
			w, err := workers(i, ctx)
			if err != nil {
				return load{}, load{}, err
			}
			all[n] = append(all[n], w)
		}
	}
	var got [2][]load
	for range rounds {
		for n, i := range []issuer{ours, theirs} {
			l, err := drive(ctx, i.address, i.server, all[n], within)
			if err != nil {
				return load{}, load{}, fmt.Errorf("%s: %w", i.name, err)
			}
			got[n] = append(got[n], l)
		}
	}
	return median(got[0]), median(got[1]), nil
}

// issuer is the server's own, with a person who is signed in.
func (x *server) issuer(ctx context.Context) (issuer, error) {
	browser, err := x.signIn(ctx)
	return issuer{name: "Lanyard", address: x.portal, server: x.Process, authorize: "/authorize", client: "lanyard-cli", redirect: "http://127.0.0.1/callback",
		narrower: readable + "/a",
		subject:  url.Values{"resource": {storage}},
		follow: func(ctx context.Context, from string) (url.Values, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
			if err != nil {
				return nil, err
			}
			a, err := browser.Do(r)
			if err != nil {
				return nil, err
			}
			defer a.Body.Close()
			to, err := a.Location()
			if err != nil {
				return nil, fmt.Errorf("%s answered %s", from, a.Status)
			}
			return to.Query(), nil
		}}, err
}

const formHeader = "Content-Type: application/x-www-form-urlencoded"

// refresher has a refresh token of its own and goes on with the one that each answer brings.
func (i issuer) refresher(ctx context.Context) (worker, error) {
	t, err := i.approve(ctx, "offline_access "+readable, url.Values{"resource": {storage}})
	if err == nil && t.Refresh == "" {
		err = errors.New("there is no refresh token")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {i.client}, "resource": {storage}}
	return func(c *conn) error {
		form.Set("refresh_token", t.Refresh)
		body, err := c.post("/token", formHeader, form.Encode())
		if err != nil {
			return err
		}
		old := t.Refresh
		if err := json.Unmarshal(body, &t); err != nil || t.Refresh == old || strings.Count(t.Access, ".") != 2 {
			return fmt.Errorf("%s did not rotate, or not sign: %.200s", i.name, body)
		}
		return nil
	}, err
}

// exchanger exchanges one access token again and again.
func (i issuer) exchanger(ctx context.Context) (worker, error) {
	t, err := i.approve(ctx, "offline_access "+readable, i.subject)
	form := url.Values{"grant_type": {urn + "grant-type:token-exchange"}, "client_id": {i.client}, "subject_token": {t.Access},
		"subject_token_type": {urn + "token-type:access_token"}, "scope": {i.narrower}, "audience": {storage}}.Encode()
	return func(c *conn) error {
		body, err := c.post("/token", formHeader, form)
		if err == nil && strings.Count(string(body), ".") < 2 {
			err = fmt.Errorf("%s signed nothing: %.200s", i.name, body)
		}
		return err
	}, err
}
