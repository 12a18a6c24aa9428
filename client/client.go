// Package client speaks to a Lanyard server, over HTTPS or over the administration socket of the
// machine it runs on. There is one method per route; safe requests and those that the server does
// only once are tried again when the connection breaks or the server asks for it. It is public and
// imports api and material only.
//
// A request that the server refuses yields an *api.Problem, one that does not arrive an
// *Unreachable. Errors hold no secret.
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// How long the client waits: for a connection, for the first byte of the answer, and for one call
// with all its repetitions.
const (
	connectTimeout = 5 * time.Second
	answerTimeout  = 15 * time.Second
	overallTimeout = 30 * time.Second
)

// Options say how to get in. The zero value sends no token.
type Options struct {
	// Token returns the bearer token for one request. What it fails with is returned unchanged, so
	// that callers recognise their own errors.
	Token func(context.Context) (material.Secret, error)
	// Socket is the path of the administration socket; the server's address is then not used.
	Socket string
	// PlainHTTP lets tokens travel unencrypted to hosts other than this one.
	PlainHTTP bool
	// UserAgent names the program, for the server's audit records.
	UserAgent string
	// Transport replaces the network, for tests.
	Transport http.RoundTripper
}

// StaticToken returns an Options.Token for one token that does not change.
func StaticToken(t material.Secret) func(context.Context) (material.Secret, error) {
	return func(context.Context) (material.Secret, error) { return t, nil }
}

// Client calls one server. It is safe for use by many goroutines.
type Client struct {
	base    *url.URL
	name    string // the server, as errors call it
	options Options
	http    *http.Client
}

// New returns a client of the server at the given URL, such as https://lanyard.example.org; a bare
// host name means https. It connects to nothing yet.
func New(server string, o Options) (*Client, error) {
	if o.Socket != "" {
		server = "http://localhost"
	}
	base, err := parseServer(server)
	if err != nil {
		return nil, err
	}
	if o.Socket == "" && base.Scheme == "http" && !o.PlainHTTP && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("%s is not encrypted, so a token sent there could be read on the way: use https://%s", base, base.Host)
	}
	c := &Client{base: base, name: base.Host, options: o}
	if o.Socket != "" {
		c.name = o.Socket
	}
	if o.Transport == nil {
		o.Transport = transport(o.Socket)
	}
	c.http = &http.Client{
		Transport: o.Transport,
		// A redirect would carry the token to a place that nobody chose.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Server returns the server's base URL, without a path.
func (c *Client) Server() string { return c.base.String() }

func parseServer(server string) (*url.URL, error) {
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		// The parser's error repeats the address, and with it any password in it.
		return nil, errors.New("the server's address cannot be read: give it as https://HOST")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not a server's address: give it as https://HOST, without path or user", u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

func transport(socket string) http.RoundTripper {
	dialer := &net.Dialer{Timeout: connectTimeout}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: answerTimeout,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return t
}

// newKey makes an Idempotency-Key, one for each call and the same for its repetitions.
func newKey() string { return rand.Text() }
