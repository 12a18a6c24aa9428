package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/material"
)

// The methods below say in other packages' words what the operator decided.

// IdentityProviders are where people sign in, with our secrets at them, read now.
func (c Config) IdentityProviders() ([]login.Provider, error) {
	var ps []login.Provider
	for _, p := range c.SignIn.Providers {
		var err error
		if p.ClientSecret, err = p.ClientSecretFile.readFor("provider " + p.ID); err != nil {
			return nil, err
		}
		ps = append(ps, p.Provider)
	}
	return ps, nil
}

// BrokerProjects are the projects that this file decides about.
func (c Config) BrokerProjects() []broker.ProjectConfig {
	var ps []broker.ProjectConfig
	for _, p := range c.Projects {
		one := broker.ProjectConfig{Project: project.Project{Name: p.Name, Title: p.Title, Description: p.Description,
			QuotaBytes: int64(p.Quota), QuotaBuckets: p.QuotaBuckets, DefaultLife: time.Duration(p.DefaultLife),
			MaxLife: time.Duration(p.MaxLife), EndsAt: p.EndsAt.Time}}
		for _, m := range p.Members {
			one.Members = append(one.Members, broker.ConfigMember{Issuer: cmp.Or(m.Issuer, localIssuer), Subject: m.Subject,
				Role: identity.Role(m.Role)})
		}
		ps = append(ps, one)
	}
	return ps
}

// localIssuer is that of the embedded identity provider.
const localIssuer = "local"

// Proxies are those in front of portal and S3.
func (c Config) Proxies() (ps caller.Proxies) {
	for _, s := range c.TrustedProxies {
		if p, ok := network(s); ok {
			ps = append(ps, p)
		}
	}
	return ps
}

// Rules are the lifetimes by kind of credential.
func (c Config) Rules() map[string]credential.Lifetime {
	rules := map[string]credential.Lifetime{}
	for kind, l := range map[string]Lifetime{"s3key": c.Lifetimes.S3Key, "proxy": c.Lifetimes.Proxy, grant.Kind: c.Lifetimes.Grant} {
		rules[kind] = credential.Lifetime{Default: time.Duration(l.Default), Max: time.Duration(l.Max)}
	}
	return rules
}

// BrokerLimits bound what one account may hold.
func (c Config) BrokerLimits() broker.Limits {
	return broker.Limits{KeysPerAccount: c.Limits.KeysPerAccount, KeysPerHour: c.Limits.KeysPerHour}
}

// Has reports whether this process plays the role.
func (c Config) Has(r Role) bool { return slices.Contains(c.Roles, r) }

// Secret is the client's secret, read now; empty for a public client.
func (c Client) Secret() (material.Secret, error) { return c.SecretFile.readFor("client " + c.ID) }

// Hosts are the host names of the gateway, that of its URL first.
func (s S3) Hosts() []string {
	hosts := append([]string{}, s.MoreHosts...)
	if u, err := url.Parse(s.URL); err == nil {
		hosts = append([]string{strings.ToLower(u.Hostname())}, hosts...)
	}
	return hosts
}

// Keys are the key pair for the object store, read now. Without an endpoint there is none.
func (u Upstream) Keys() (material.S3Keys, error) {
	if u.Endpoint == "" {
		return material.S3Keys{}, nil
	}
	id, err := u.AccessKeyFile.Read()
	if err != nil {
		return material.S3Keys{}, fmt.Errorf("upstream.access_key_file: %w", err)
	}
	secret, err := u.SecretKeyFile.Read()
	if err != nil {
		return material.S3Keys{}, fmt.Errorf("upstream.secret_key_file: %w", err)
	}
	return material.S3Keys{AccessKeyID: id.Reveal(), SecretAccessKey: secret}, nil
}
