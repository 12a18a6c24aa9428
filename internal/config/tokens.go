package config

import (
	"cmp"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/minting"
)

// TokenProvider is an authorization server that people let Lanyard keep grants for, and where our
// client secret at it is.
type TokenProvider struct {
	grant.Provider
	ClientSecretFile SecretFile `yaml:"client_secret_file"` // empty for a public client
}

// Tokens is the policy of Lanyard's own issuer.
type Tokens = minting.Policy

// GrantProviders are the providers of grants with their secrets, read now.
func (c Config) GrantProviders() ([]grant.Provider, error) {
	var ps []grant.Provider
	for _, p := range c.Providers {
		if p.ClientSecretFile != "" {
			secret, err := p.ClientSecretFile.Read()
			if err != nil {
				return nil, fmt.Errorf("provider %s: %w", p.ID, err)
			}
			p.ClientSecret = secret
		}
		ps = append(ps, p.Provider)
	}
	return ps, nil
}

// tokens judges providers of grants and the policy of our own issuer.
func (d judge) tokens(c Config) {
	seen, own := map[string]bool{}, false
	for i, p := range c.Providers {
		key := fmt.Sprintf("providers[%d]", i)
		if seen[p.ID] {
			d.Wrong(key+".id", "provider %s stands twice", p.ID)
		}
		seen[p.ID] = true
		if p.Type == grant.Lanyard && own {
			d.Wrong(key+".type", "our own issuer stands twice")
		}
		own = own || p.Type == grant.Lanyard
		d.secret(key+".client_secret_file", p.ClientSecretFile)
		p.Provider.ClientSecretFile = string(p.ClientSecretFile)
		if err := p.Check(); err != nil {
			d.Wrong(key, "%s: %s", cmp.Or(p.ID, "a provider"), err)
		}
	}
	d.faults("tokens", c.Tokens.Check())
}
