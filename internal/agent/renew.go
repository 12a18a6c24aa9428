package agent

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/agent/keep"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/wlcg/bearer"
)

// keyBits is the size of the RSA keys of proxies. Other kinds of key are not taken by all of the
// grid's software.
const keyBits = 2048

// renew makes a thing anew and returns its end.
func (a *app) renew(ctx context.Context, i keep.Item, minimum time.Duration) (time.Time, error) {
	c, err := a.connect()
	if err != nil {
		return time.Time{}, err
	}
	switch i.Kind {
	case keep.Token:
		return a.renewToken(ctx, c, i, minimum)
	case keep.Proxy:
		return renewProxy(ctx, c, i)
	case keep.Key:
		return extendKey(ctx, c, i)
	}
	return time.Time{}, fmt.Errorf("this version does not know how to keep a %q", i.Kind)
}

// renewToken writes a token into its file.
func (a *app) renewToken(ctx context.Context, c *client.Client, i keep.Item, minimum time.Duration) (time.Time, error) {
	cache, err := tokens.Open(a.Console)
	if err != nil {
		return time.Time{}, err
	}
	t, err := cache.Get(ctx, c, tokens.Wish{Ref: i.Ref, Scopes: i.Scopes, Audiences: i.Audiences, MinValid: minimum})
	if err != nil {
		return time.Time{}, err
	}
	return a.Now().Add(left(t)), bearer.Write(i.Path, t.AccessToken.Reveal())
}

// renewProxy fetches a proxy below one that the server keeps. Its key is made here.
func renewProxy(ctx context.Context, c *client.Client, i keep.Item) (time.Time, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return time.Time{}, err
	}
	request, err := proxycert.Request(key)
	if err != nil {
		return time.Time{}, err
	}
	got, err := c.RetrieveProxy(ctx, i.Ref, api.ProxyRetrieval{Request: string(request), Life: i.Life})
	if err != nil {
		return time.Time{}, err
	}
	certs, err := keyfile.Certificates([]byte(got.PEM.Reveal()))
	if err != nil {
		return time.Time{}, fmt.Errorf("the server sent no certificate for the key: %w", err)
	}
	p, err := proxycert.Complete(key, certs)
	if err != nil {
		return time.Time{}, err
	}
	text, err := p.PEM()
	if err != nil {
		return time.Time{}, err
	}
	return p.NotAfter(), proxycert.WriteFile(i.Path, text)
}

// extendKey moves the end of an S3 key, by what it shall live or as far as is allowed. The files that
// hold it stay as they are.
func extendKey(ctx context.Context, c *client.Client, i keep.Item) (time.Time, error) {
	k, err := c.ExtendCredential(ctx, i.Ref, api.Extension{Life: i.Life})
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Code == api.Limited && i.Life > 0 {
		k, err = c.ExtendCredential(ctx, i.Ref, api.Extension{})
	}
	return k.ExpiresAt, err
}
