package config

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/minting"
)

// TokenProvider is an authorization server that people let Lanyard keep grants for, and where our
// client secret at it is.
type TokenProvider struct {
	grant.Provider
	ClientSecretFile SecretFile `yaml:"client_secret_file"` // empty for a public client
}

// MyToken is the facade through which mytoken's own programs are served.
type MyToken struct {
	Enabled bool `yaml:"enabled"`
	// Templates are named requests that programs can include, by group.
	Templates map[string]TemplateGroup `yaml:"templates"`
}

// TemplateGroup is a group of named requests, and of parts of requests. The texts are JSON.
type TemplateGroup struct {
	Profiles     map[string]string `yaml:"profiles"`
	Capabilities map[string]string `yaml:"capabilities"`
	Restrictions map[string]string `yaml:"restrictions"`
	Rotation     map[string]string `yaml:"rotation"`
}

// Library are the templates for programs to include.
func (m MyToken) Library() (delegation.Library, error) {
	groups := map[string]delegation.Group{}
	for name, g := range m.Templates {
		groups[name] = delegation.Group{Profiles: payloads(g.Profiles), Capabilities: payloads(g.Capabilities),
			Restrictions: payloads(g.Restrictions), Rotation: payloads(g.Rotation)}
	}
	return delegation.NewLibrary(groups)
}

func payloads(texts map[string]string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for name, text := range texts {
		out[name] = json.RawMessage(text)
	}
	return out
}

// Tokens is the policy of Lanyard's own issuer.
type Tokens = minting.Policy

// GrantProviders are the providers of grants with their secrets, read now.
func (c Config) GrantProviders() ([]grant.Provider, error) {
	var ps []grant.Provider
	for _, p := range c.Providers {
		var err error
		if p.ClientSecret, err = p.ClientSecretFile.readFor("provider " + p.ID); err != nil {
			return nil, err
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
	_, err := c.MyToken.Library()
	d.faults("mytoken.templates", err)
}
