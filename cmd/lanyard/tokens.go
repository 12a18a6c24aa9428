package main

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	grants "github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/minting"
	"github.com/lanyardhq/lanyard/internal/mytoken"
	"github.com/lanyardhq/lanyard/internal/portal/tokens"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// myTokenPath is where mytoken's programs are served, below the portal.
const myTokenPath = "/mytoken"

// tokenParts are what makes our own tokens and what keeps those of others.
type tokenParts struct {
	signing   *signing.Keys
	minter    *minting.Minter
	providers map[string]grant.Provider // by id
	kind      *grants.Kind
	custody   *custody.Custody
	subgrants *subgrant.Service
	mytoken   *mytoken.Facade // nil where it is off
}

// wireMinting makes what the kind of grants needs, before there is a broker.
func (s *server) wireMinting() (err error) {
	c, t := s.config, &s.tokens
	t.signing = signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256, subgrant.Algorithm}, Store: s.store, Now: time.Now, Log: s.log,
		Kept: map[string]time.Duration{subgrant.Algorithm: c.Rules()[grant.Kind].Max}}) // mytokens live as long as their grants
	if t.minter, err = minting.New(minting.Config{Issuer: c.Portal.URL, Policy: c.Tokens, Keys: t.signing, Store: s.store, Groups: s.groups, Now: time.Now}); err != nil {
		return err
	}
	configured, err := c.GrantProviders()
	if err != nil {
		return err
	}
	t.providers = map[string]grant.Provider{}
	for _, p := range configured {
		if p.Type == grant.Lanyard {
			p.Issuer = c.Portal.URL
		}
		t.providers[p.ID] = p
	}
	t.kind = &grants.Kind{Providers: t.providers, Judge: func(ctx context.Context, a identity.Account, spec grant.Spec) error {
		return t.minter.Judge(ctx, minting.Order{Account: a, Scopes: spec.Scopes, Audiences: spec.Audiences})
	}}
	return nil
}

// wireCustody makes what keeps grants and what passes parts of them on.
func (s *server) wireCustody() error {
	c, t := s.config, &s.tokens
	t.custody = &custody.Custody{Store: s.store, Providers: map[string]custody.Provider{}, Mint: minting.Grants{Minter: t.minter, Account: s.store.Account},
		Portal: c.Portal.URL, Now: time.Now, Log: s.log,
		Issue: func(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (credential.Credential, error) {
			got, err := s.broker.Issue(ctx, by, o, once)
			return got.Credential, err
		}}
	var delegable []grant.Provider
	for _, one := range c.Providers { // in the operator's order
		p := t.providers[one.ID]
		delegable = append(delegable, p)
		at := custody.Provider{Provider: p}
		if p.Type != grant.Lanyard {
			client, err := provider.New(p, c.Portal.URL+"/approvals/callback/"+p.ID, nil, time.Now)
			if err != nil {
				return err
			}
			at.Client = client
		}
		t.custody.Providers[p.ID] = at
	}
	library, err := c.MyToken.Library()
	if err != nil {
		return err
	}
	t.subgrants = &subgrant.Service{Flows: s.store, Store: s.store, Grants: delegated{t.custody, s.broker}, Keys: t.signing, Issuer: c.Portal.URL + myTokenPath,
		Providers: delegable, Library: library, Life: c.Rules()[grant.Kind], Now: time.Now, Log: s.log}
	if !c.MyToken.Enabled {
		return nil
	}
	t.mytoken, err = mytoken.New(mytoken.Config{Service: t.subgrants, Consent: c.Portal.URL + "/approvals/mytoken", Version: version, Log: s.log})
	return err
}

// tokenPages are the portal's pages about tokens.
func (s *server) tokenPages() *tokens.Pages {
	return &tokens.Pages{Broker: s.broker, Custody: s.tokens.custody, Subgrants: s.tokens.subgrants}
}

// groups are an account's groups in a VO of ours, for the tokens that we mint; none in other VOs.
func (s *server) groups(ctx context.Context, vo, accountID string) ([]string, error) {
	v, err := s.grid.authority.ShowVO(ctx, identity.Actor{AccountID: accountID}, vo)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	return v.FQANs, err
}

// TokenOfAccount lets the issuer exchange a token for one of another provider.
func (s *server) TokenOfAccount(ctx context.Context, accountID, provider string, w grant.Wish) (grant.Tokens, error) {
	got, err := s.tokens.custody.Token(ctx, identity.Actor{AccountID: accountID}, provider, custody.TokenWish{Wish: w})
	return got.Tokens, err
}

// delegated lends custody's grants to sub-grants.
type delegated struct {
	*custody.Custody
	broker *broker.Broker
}

// TokenOf implements subgrant.Grants.
func (d delegated) TokenOf(ctx context.Context, grantID string, w grant.Wish) (grant.Tokens, error) {
	return d.Custody.TokenOf(ctx, grantID, custody.TokenWish{Wish: w})
}

// EndGrant implements subgrant.Grants.
func (d delegated) EndGrant(ctx context.Context, by identity.Actor, grantID string) error {
	_, err := d.broker.End(ctx, by, grantID, audit.Once{})
	return err
}
