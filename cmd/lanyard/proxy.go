package main

import (
	"context"
	"maps"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/keypool"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/voms"
)

// readyKeys is how many private keys wait for proxies; each costs a tenth of a second and a page of
// memory.
const readyKeys = 8

// wireProxies makes the kind of proxies from what the server has of X.509 and VOMS.
func (s *server) wireProxies() error {
	anchors, err := s.grid.speakers()
	if err != nil {
		return err
	}
	s.keys = keypool.New(readyKeys, keypool.RSA2048)
	s.proxies = &proxy.Kind{Trust: s.grid.trusted.current, Options: s.grid.options, Legacy: s.config.Grid.LegacyProxies, Anchors: anchors,
		Keys: s.keys, Attributes: s.attributes, StoredSecrets: s.config.Grid.StoredSecrets, Now: time.Now,
		Link: func(ctx context.Context, accountID, subject, issuer string) error {
			return s.grid.authority.LinkCertificate(ctx, identity.Actor{AccountID: accountID}, accountID, subject, issuer)
		}}
	if s.grid.ca != nil {
		s.proxies.CA = s.grid.ca
	}
	return nil
}

// speakers are the operator's anchors, and our own authorities for our own VOs.
func (g *gridParts) speakers() (voms.Anchors, error) {
	a := voms.Anchors{Dir: g.anchors.Dir, Known: maps.Clone(g.anchors.Known)}
	if a.Known == nil {
		a.Known = map[string]voms.LSC{}
	}
	for name, k := range g.keys {
		pair, err := k.get()
		if err != nil {
			return a, err
		}
		a.Known[name+"/"+k.host] = voms.LSCOf(pair.Leaf)
	}
	return a, nil
}
