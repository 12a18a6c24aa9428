package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/internal/authority"
	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/directory/ldap"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// gridParts are what the server has of X.509 and VOMS.
type gridParts struct {
	ca        *onlineca.CA // nil if it is off
	authority *authority.Authority
	trusted   *trusted
	options   trust.Options
	anchors   voms.Anchors
	keys      map[string]*hostKey // of attribute authorities, by VO
}

// wireGrid makes them. With an online CA the first start takes a second longer: keys are made here,
// never while somebody waits for an answer.
func (s *server) wireGrid(ctx context.Context) (err error) {
	c := s.config
	g := &gridParts{options: trust.Options{RequireCRL: c.Grid.RequireCRL}, anchors: voms.Anchors{Dir: c.Grid.Vomsdir}, keys: map[string]*hostKey{}}
	if c.Grid.OnlineCA.Enabled {
		if g.ca, err = onlineca.Open(ctx, onlineca.Config{Store: s.store, Base: c.CABase(), Organisations: c.ProviderTitles(),
			Policy: c.Grid.OnlineCA.Policy, CRL: c.Portal.URL + httpapi.Prefix + "/ca/crl.der", Now: time.Now}); err != nil {
			return err
		}
	}
	g.trusted = &trusted{ca: g.ca}
	if c.Grid.Certificates != "" {
		g.trusted.directory = &trust.Directory{Path: c.Grid.Certificates, Now: time.Now}
	}
	keys := map[string]func() (*tls.Certificate, error){}
	for _, v := range c.VOs {
		k := &hostKey{ca: g.ca, host: v.Host}
		if v.TLS.Cert != "" {
			k.files = &certificate{cert: v.TLS.Cert, key: string(v.TLS.Key)}
		}
		if err := k.check(ctx); err != nil {
			return fmt.Errorf("certificate of the attribute authority of %s: %w", v.Name, err)
		}
		g.keys[v.Name], keys[v.Name] = k, k.get
	}
	a := authority.Config{VOs: c.AuthorityVOs(), Store: s.store, Keys: keys, Trust: g.trusted.current, Options: g.options,
		Others: func() ([]authority.View, error) { return otherVOs(c.Grid) }, Now: time.Now, Log: s.log}
	if g.ca != nil {
		a.CA = g.ca
	}
	g.authority, s.grid = authority.New(a), g
	return nil
}

// trusted are the CAs of the operator's directory and our own.
type trusted struct {
	directory *trust.Directory // nil for none
	ca        *onlineca.CA     // nil for none

	mu    sync.Mutex
	base  *trust.Store
	crl   []byte
	store *trust.Store
}

// current returns the CAs that are trusted now. The sum is made anew only when something changed.
func (t *trusted) current() (*trust.Store, error) {
	base := trust.New(nil)
	if t.directory != nil {
		var err error
		if base, err = t.directory.Current(); err != nil {
			return nil, err
		}
	}
	if t.ca == nil {
		return base, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	crl, err := t.ca.Published(context.Background())
	if err != nil {
		return nil, err // without the database nothing can be decided anyway
	}
	if t.store == nil || t.directory != nil && base != t.base || !bytes.Equal(crl, t.crl) {
		t.base, t.crl, t.store = base, crl, base.With(t.ca.Chain(), [][]byte{crl})
	}
	return t.store, nil
}

// hostKey is the certificate of an attribute authority, from the operator's files or from our CA.
type hostKey struct {
	files *certificate // nil: from the CA
	ca    *onlineca.CA
	host  string

	mu   sync.Mutex
	pair *tls.Certificate
}

func (k *hostKey) get() (*tls.Certificate, error) {
	if k.files != nil {
		return k.files.get(nil)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pair, nil
}

// check makes or reads the certificate, and looks whether clients could verify what it signs.
func (k *hostKey) check(ctx context.Context) error {
	if err := k.renew(ctx); err != nil {
		return err
	}
	pair, err := k.get()
	if err != nil {
		return err
	}
	if _, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok {
		return fault.New(fault.Invalid, "its key is not an RSA key, and the Java clients verify no other").WithHint("get a certificate for an RSA key of 2048 bits or more")
	}
	if err := voms.CheckAuthority(pair.Leaf); err != nil {
		return fault.New(fault.Invalid, "%v", err).WithHint("get a certificate for signatures whose subjectKeyIdentifier is the SHA-1 hash of its key, as OpenSSL makes it")
	}
	return nil
}

// renew looks whether it is time for a new certificate. Operators renew their files themselves.
func (k *hostKey) renew(ctx context.Context) error {
	if k.files != nil {
		_, err := k.files.get(nil)
		return err
	}
	pair, err := k.ca.Host(ctx, k.host)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pair = pair
	return nil
}

// runGrid renews certificates and the revocation list until ctx ends.
func (s *server) runGrid(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for name, k := range s.grid.keys {
			if err := k.check(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "certificate of an attribute authority cannot be used", "vo", name, "err", err)
			}
		}
		if s.grid.ca == nil {
			continue
		}
		if _, err := s.grid.ca.CRL(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "revocation list not renewed", "err", err)
		}
	}
}

// runDirectory imports the members of a VO from its directory, now and then, until ctx ends.
func (s *server) runDirectory(ctx context.Context, v config.VO) error {
	every := time.Duration(v.LDAP.Every)
	if every <= 0 {
		every = 15 * time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if done, err := s.importMembers(ctx, v, 0); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "members not imported", "vo", v.Name, "err", err)
		} else if done.Added+done.Changed+done.Removed > 0 {
			s.log.InfoContext(ctx, "members imported", "vo", v.Name, "added", done.Added, "changed", done.Changed, "removed", done.Removed)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// importNow does it because somebody asked.
func (s *server) importNow(ctx context.Context, name string, confirmed int) (authority.Imported, error) {
	for _, v := range s.config.VOs {
		if v.Name == name && v.LDAP.URL != "" {
			return s.importMembers(ctx, v, confirmed)
		}
	}
	return authority.Imported{}, fault.New(fault.NotFound, "there is no directory for a VO %.70q here", name)
}

// importMembers makes the members from a directory what it says now.
func (s *server) importMembers(ctx context.Context, v config.VO, confirmed int) (authority.Imported, error) {
	var password material.Secret
	if v.LDAP.PasswordFile != "" {
		var err error
		if password, err = v.LDAP.PasswordFile.Read(); err != nil {
			return authority.Imported{}, err
		}
	}
	people, err := ldap.People(ctx, v.LDAP.Config, password)
	if err != nil {
		return authority.Imported{}, err
	}
	var ms []vo.Member
	for _, p := range people {
		ms = append(ms, vo.Member{Subject: p.Subject, Issuer: p.Issuer, FQANs: append([]string{"/" + v.Name}, p.FQANs...)})
	}
	return s.grid.authority.ImportMembers(ctx, v.Name, "ldap", ms, confirmed)
}

// otherVOs are those of the operator's vomses files, with what the vomsdir says of them.
func otherVOs(c config.Grid) ([]authority.View, error) {
	if len(c.Vomses) == 0 {
		return nil, nil
	}
	servers, err := vomses.Load(c.Vomses)
	if err != nil {
		return nil, err
	}
	var all []authority.View
	at := map[string]int{}
	for _, s := range servers {
		i, seen := at[s.VO]
		if !seen {
			i = len(all)
			at[s.VO] = i
			all = append(all, authority.View{VO: vo.VO{Name: s.VO}})
		}
		one := authority.Server{Server: s}
		if path, err := voms.LSCPath(c.Vomsdir, s.VO, s.Host); err == nil && c.Vomsdir != "" {
			if text, err := os.ReadFile(path); err == nil { //nolint:gosec // LSCPath stays below the operator's directory
				one.LSC = string(text)
			}
		}
		all[i].Servers = append(all[i].Servers, one)
	}
	return all, nil
}

// attributes gets an attribute certificate for a proxy that the server holds: from our own authority
// where the VO is ours, else from the VO's servers.
func (s *server) attributes(ctx context.Context, c proxycert.Credential, name string, fqans []string, life time.Duration) (ac []byte, warnings []string, err error) {
	r := protocol.Request{FQANs: fqans, Lifetime: life}
	store, err := s.grid.trusted.current()
	if err != nil {
		return nil, nil, err
	}
	if _, ours := s.grid.keys[name]; ours {
		result, err := proxycert.Verifier{Trust: store, Options: s.grid.options, At: time.Now(),
			AllowLegacy: s.config.Grid.LegacyProxies, AllowDraft: s.config.Grid.LegacyProxies}.Verify(c.Chain)
		if err != nil {
			return nil, nil, fault.New(fault.Conflict, "the proxy that is held here is not accepted: %v", err)
		}
		answer, err := s.grid.authority.Attributes(ctx, name, vo.Holder{Chain: c.Chain, Result: result}, r)
		if e, ok := errors.AsType[*protocol.Error](err); ok {
			return nil, nil, fault.New(fault.Denied, "%s does not give the attributes: %s", name, e.Message)
		}
		return answer.AC, answer.Warnings, err
	}
	servers, err := vomses.Load(s.config.Grid.Vomses)
	if err != nil {
		return nil, nil, err
	}
	if servers = vomses.ByName(servers, name); len(servers) == 0 {
		return nil, nil, fault.New(fault.Invalid, "this server does not know the VO %.70q", name).WithHint("ask the people who run it to add the VO's servers")
	}
	answer, _, err := protocol.Client{Credential: c.TLS(), Trust: store, Options: s.grid.options, Timeout: 20 * time.Second, Now: time.Now}.Get(ctx, servers, r)
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "%v", err).WithCause(err)
	}
	return answer.AC, answer.Warnings, nil
}

// listenAuthorities opens a listener for each VO.
func (s *server) listenAuthorities(ctx context.Context) (all []listener, err error) {
	if !s.config.Has(config.AARole) {
		return nil, nil
	}
	for _, v := range s.config.VOs {
		aa, err := attributeauthority.New(attributeauthority.Config{VO: v.Name, Certificate: s.grid.keys[v.Name].get, Trust: s.grid.trusted.current,
			Options: s.grid.options, AllowLegacy: s.config.Grid.LegacyProxies, AllowDraft: s.config.Grid.LegacyProxies,
			Anchors: s.grid.anchors, Authority: s.grid.authority, Now: time.Now, Log: s.log})
		if err != nil {
			return all, err
		}
		open, err := new(net.ListenConfig).Listen(ctx, "tcp", v.ListenAt())
		if err != nil {
			return all, fmt.Errorf("attribute authority of %s: %w (is another server running? change its listen under vos)", v.Name, err)
		}
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		all = append(all, listener{open, "attribute authority of " + v.Name, &authorityServer{aa, run, stop}})
	}
	return all, nil
}

// authorityServer lets an attribute authority be run and stopped as an http.Server is.
type authorityServer struct {
	*attributeauthority.Server
	run  context.Context
	stop context.CancelFunc
}

// Serve returns http.ErrServerClosed after Shutdown.
func (a *authorityServer) Serve(l net.Listener) error {
	if err := a.Server.Serve(a.run, l); err != nil {
		return err
	}
	return http.ErrServerClosed
}

// Shutdown lets requests under way be answered.
func (a *authorityServer) Shutdown(context.Context) error {
	a.stop()
	return nil
}
