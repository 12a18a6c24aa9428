package httpapi

import (
	"path"
	"slices"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/material"
)

func (a *API) listConfigurations(c *call.Call) (any, error) {
	x, err := a.key(c)
	if err != nil {
		return nil, err
	}
	access := a.access(x, missing)
	return list(a, api.SchemaConfigurations, a.Targets, nil, func(t deliver.Target) api.Configuration {
		place, _ := t.Snippet(access)
		return api.Configuration{Client: t.Name(), Title: t.Title(), Path: place}
	}), nil
}

// key finds the key that the path names; clients are not configured with anything else.
func (a *API) key(c *call.Call) (credential.Credential, error) {
	x, err := a.Broker.Show(c.Context(), c.By, c.PathValue("credential"))
	if err == nil && x.Kind != s3key.Name {
		err = fault.New(fault.NotFound, "clients are configured with keys; this is a %s", credential.Noun(x.Kind))
	}
	return x, err
}

// missing stands where the secret would, in letters that every client's file can hold.
const missing = material.Secret("PUT-THE-SECRET-HERE-it-was-shown-when-the-key-was-made")

func (a *API) configuration(c *call.Call) (any, error) {
	ref, name := c.PathValue("credential"), c.PathValue("client")
	x, err := a.key(c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(a.Targets, func(t deliver.Target) bool { return t.Name() == name })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "there is no configuration for %.40q", name).WithHint("the clients are listed one level above")
	}
	secret := missing
	switch got, err := a.Broker.Again(c.Context(), c.By, ref); fault.CodeOf(err) {
	case "":
		if s3 := got.Material.S3; s3 != nil {
			secret = s3.SecretAccessKey
		}
	case fault.Denied, fault.Conflict: // not to be shown again, or to somebody else, or no longer in force
	default:
		return nil, err
	}
	place, text := a.Targets[i].Snippet(a.access(x, secret))
	return call.File{Name: path.Base(place), Type: "text/plain; charset=utf-8", Text: material.Secret(text)}, nil
}

// access is what a target writes down for x. Its name is the one that lumio-conf gives, so that
// people's scripts go on working.
func (a *API) access(x credential.Credential, secret material.Secret) deliver.Access {
	return deliver.Access{Name: deliver.DefaultName(x.ProjectName), Project: x.ProjectName, Endpoint: a.Endpoint, Region: a.Region,
		Keys: material.S3Keys{AccessKeyID: x.PublicID, SecretAccessKey: secret}, ExpiresAt: x.ExpiresAt}
}
