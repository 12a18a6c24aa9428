package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/limit"
	"github.com/lanyardhq/lanyard/internal/login/local"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
	"github.com/lanyardhq/lanyard/material"
)

// How long things live (security.md §7; RFC 9700; ASVS 5.0 10.4.8).
const (
	browserLife = 12 * time.Hour
	accessLife  = time.Hour
	signinLife  = 10 * time.Minute
	codeLife    = time.Minute
	deviceLife  = 10 * time.Minute
	revealLife  = 10 * time.Minute
	robotLife   = 90 * 24 * time.Hour
	robotMax    = 366 * 24 * time.Hour
	touchEvery  = time.Minute
	purgeEvery  = 10 * time.Minute
)

// What pages tell people: after what idle time a browser is signed out, and how long a program that
// they let in may act for them. The latter is absolute: refreshing never moves it.
const (
	BrowserIdle = time.Hour
	ClientLife  = 30 * 24 * time.Hour
)

// The configuration of the ways to sign in, named here too, so that its readers import one package.
type (
	Provider  = upstream.Provider
	Rule      = upstream.Rule
	Local     = local.Config
	LocalUser = local.User
)

// HashPassword returns the hash of a password for LocalUser: see local.HashPassword.
func HashPassword(password material.Secret) (string, error) { return local.HashPassword(password) }

// Config is what a Login is made of. URL, Store, Now and Log are required.
type Config struct {
	// URL is the public address of the portal, without a trailing slash; redirect URIs begin
	// with it.
	URL       string
	Providers []Provider
	Local     Local
	Store     Store
	Now       func() time.Time
	Log       *slog.Logger
	// Transport carries requests to providers; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Import tells, at each sign-in, which roles in which projects (by name) the source says the
	// account has: all of them, so that a missing one has been taken away. The source is the
	// provider's issuer. It is called only for sources that have something to say. Nil: nobody asks.
	Import func(ctx context.Context, a identity.Account, source string, roles map[string]identity.Role) error
	// Groups tells, at each sign-in with a provider, the values of the account's groups claim. Nil:
	// nobody asks.
	Groups func(ctx context.Context, accountID string, groups []string) error
	// Leave takes an account out of a project, which freezes its keys there; one that is not in
	// the project is a NotFound fault. Nil: nothing to do.
	Leave func(ctx context.Context, by identity.Actor, projectID, accountID string) error
}

// Login knows how people and programs prove who they are. It is made by New and is safe for
// concurrent use.
type Login struct {
	c         Config
	providers []*upstream.Client
	local     *local.Provider // nil if off
	starts    limit.Window    // sign-ins and device requests begun, by address
	passwords limit.Window    // passwords tried, by address
	wrong     limit.Window    // device codes that were not found, by account and by address
}

// New checks the configuration and reports every mistake in it, as Invalid faults joined.
// Providers are not contacted before somebody signs in: one that is down stops nobody else.
func New(c Config) (*Login, error) {
	l := &Login{c: c, starts: limit.Window{Max: 10}, passwords: limit.Window{Max: 10}, wrong: limit.Window{Max: 5}}
	var errs []error
	seen := map[string]bool{local.Issuer: true}
	for _, p := range c.Providers {
		u, err := upstream.New(p, c.URL+"/login/callback/"+p.ID, c.Transport, c.Now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seen[p.ID] || seen[p.Issuer] {
			errs = append(errs, fault.New(fault.Invalid, "provider %q: its id or issuer stands twice", p.ID))
		}
		seen[p.ID], seen[p.Issuer] = true, true
		l.providers = append(l.providers, u)
	}
	if len(c.Local.Users) > 0 {
		var err error
		if l.local, err = local.New(c.Local); err != nil {
			errs = append(errs, err)
		}
	}
	return l, errors.Join(errs...)
}

// Run removes what has expired, now and then, until ctx ends.
func (l *Login) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := l.c.Store.PurgeTickets(ctx, l.now()); err != nil && ctx.Err() == nil {
				l.c.Log.WarnContext(ctx, "expired sessions not removed", "err", err)
			}
		}
	}
}

// Request describes the request that a proof came with; it goes into identity.Actor.
type Request struct {
	ID string // shown to the caller too
	// Address is the network address of the caller, without a port.
	Address string
	Client  string // the program: User-Agent, shortened
}

// now is the moment that decides: UTC, whole seconds, as the database keeps it.
func (l *Login) now() time.Time { return l.c.Now().UTC().Truncate(time.Second) }

// localPath returns next if it is a path of ours, and "/" for anything that a browser could take
// for another host's address, so that no link makes us a redirector.
func localPath(next string) string {
	u, err := url.Parse(next)
	switch {
	case err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || len(next) > 4096:
		return "/"
	case !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\x00\r\n\t"):
		return "/"
	}
	return next
}
