package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// keyBits is the size of the RSA keys that are made here. Other kinds of key are not taken by all
// of the grid's software.
const keyBits = 2048

// abandonWait is how long the server may take to end what nobody will use.
const abandonWait = 5 * time.Second

// certificate has the server issue a short-lived certificate for a key that is made here, and makes
// it the issuer in o. It lives as long as the proxy: it is of no other use.
func (a *app) certificate(ctx context.Context, o *gridproxy.Options, wanted []api.VOMS) (*api.Credential, error) {
	c, project, err := a.inProject(ctx, wanted, true)
	if err != nil && console.Explain(err).Exit == console.AuthNeeded {
		return nil, &console.Failure{Exit: console.AuthNeeded, Message: "there is no certificate in " + a.Home() + "/.globus, and you are not signed in at a server that could issue one",
			Hint: "sign in: lanyard login, or name your certificate with --cert and --key"}
	}
	if err != nil {
		return nil, err
	}
	key, err := a.newKey()
	if err != nil {
		return nil, err
	}
	request, err := proxycert.Request(key)
	if err != nil {
		return nil, err
	}
	stop := a.Wait("Asking " + c.Server() + " for a certificate…")
	made, err := c.CreateCredential(ctx, api.CredentialOrder{Kind: "proxy", Project: project, Name: "proxy on " + a.Host, Life: int64(cmp.Or(o.Lifetime, gridproxy.DefaultLifetime).Seconds()),
		Proxy: &api.ProxyOrder{Way: api.WayCertificate, Request: string(request), VOMS: wanted, Limited: o.Limited}})
	stop()
	if err != nil {
		return nil, err
	}
	issuer, err := assemble(key, made.Proxy)
	if err != nil {
		a.abandon(ctx, &made)
		return nil, err
	}
	o.Issuer = &issuer
	return &made, nil
}

// assemble joins a key and the certificates that the server issued for it.
func assemble(key *rsa.PrivateKey, p *api.Proxy) (proxycert.Credential, error) {
	text := ""
	if p != nil {
		text = p.Certificates
	}
	return complete(key, text)
}

// complete joins a key and a PEM chain that somebody issued for it.
func complete(key *rsa.PrivateKey, chain string) (proxycert.Credential, error) {
	certs, err := keyfile.Certificates([]byte(chain))
	if err != nil {
		return proxycert.Credential{}, &api.Problem{Code: api.Internal, Detail: "the server sent no certificate for the key: " + err.Error()}
	}
	return proxycert.Complete(key, certs)
}

// newKey makes a key.
func (a *app) newKey() (*rsa.PrivateKey, error) {
	defer a.Wait("Making a key…")()
	return rsa.GenerateKey(rand.Reader, keyBits)
}

// abandon ends a credential that nobody will use, also if ctx has ended.
func (a *app) abandon(ctx context.Context, k *api.Credential) {
	if k == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonWait)
	defer cancel()
	if c, err := a.Connect(); err == nil {
		_, _ = c.DeleteCredential(ctx, k.ID) // it ends by itself if this fails
	}
}
