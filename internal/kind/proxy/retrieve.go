package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
)

// Wish is the Spec of a credential.Wish. Zero fields mean what the credential says.
type Wish struct {
	// Request is a PEM signing request: the proxy is made for its key.
	Request string        `json:"request,omitempty"`
	Limited bool          `json:"limited,omitempty"`
	VOMS    []material.VO `json:"voms,omitempty"`
}

// Retrieve implements credential.Retriever: a fresh proxy below what is held, with fresh attributes.
// An uploaded proxy keeps the attributes that it came with, and is handed out as it is unless a key
// of the asker's, limits or an earlier end demand a proxy below it.
func (k *Kind) Retrieve(ctx context.Context, c credential.Credential, s credential.State, w credential.Wish) (material.Material, error) {
	spec, h, err := open(c, s)
	if err != nil {
		return material.Material{}, err
	}
	wish, err := spec.grant(w)
	if err != nil {
		return material.Material{}, err
	}
	if h.Key == "" {
		return material.Material{}, fault.New(fault.Conflict, "the private key of proxy %s is not here, so that nothing can be made below it", c.PublicID).
			WithHint("make the proxy where the key is: lanyard proxy init")
	}
	issuer, err := h.credential()
	if err != nil {
		return material.Material{}, fmt.Errorf("open proxy %s: %w", c.PublicID, err)
	}
	r, err := k.stillGood(c, issuer)
	if err != nil {
		return material.Material{}, err
	}
	end := k.end(c, r, w.Life)
	x := material.Proxy{Identity: r.Identity, VOs: spec.VOMS, AttributesExpireAt: spec.AttributesExpireAt, Warnings: spec.Warnings}
	if spec.Way == Upload && w.Life == 0 && wish.Request == "" && wish.Limited == r.Limited && !c.ExpiresAt.Before(r.ExpiresAt) {
		return handOut(issuer, x)
	}
	t := proxycert.Template{Limited: wish.Limited, NotBefore: k.Now().Add(-earlier), NotAfter: end}
	if spec.Way != Upload {
		x.VOs, x.AttributesExpireAt, x.Warnings = nil, time.Time{}, nil
		if t.Attributes, err = k.attributes(ctx, issuer, wish.VOMS, end.Sub(k.Now()), &x); err != nil {
			return material.Material{}, err
		}
	}
	made, err := k.below(ctx, issuer, wish.Request, t)
	if err != nil {
		return material.Material{}, err
	}
	return handOut(made, x)
}

// stillGood judges what is held again: a certificate may have been revoked since.
func (k *Kind) stillGood(c credential.Credential, held proxycert.Credential) (proxycert.Result, error) {
	r, err := k.judge(held.Chain)
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code == fault.Invalid {
		err = fault.New(fault.Conflict, "proxy %s can no longer be used: %s", c.PublicID, f.Message).WithHint("delete it and make another one")
	}
	return r, err
}

// grant reads a wish and refuses what goes beyond the credential.
func (s Spec) grant(w credential.Wish) (Wish, error) {
	var wish Wish
	if len(w.Spec) > 0 {
		if err := strictly(w.Spec, &wish); err != nil {
			return wish, err
		}
	}
	if w.Life < 0 {
		return wish, fault.New(fault.Invalid, "a lifetime of %s is not in the future", w.Life)
	}
	if err := checkVOs(wish.VOMS); err != nil {
		return wish, err
	}
	for _, vo := range wish.VOMS {
		i := named(s.VOMS, vo.Name)
		if i < 0 {
			return wish, fault.New(fault.Denied, "this proxy was not made for VO %s", vo.Name).WithHint("make another one that names it")
		}
		if f := missing(vo.FQANs, s.VOMS[i].FQANs); f != "" {
			return wish, fault.New(fault.Denied, "this proxy was not made for %s", f).WithHint("make another one that names it")
		}
	}
	if len(wish.VOMS) == 0 {
		wish.VOMS = s.VOMS
	}
	for i, vo := range wish.VOMS {
		if len(vo.FQANs) == 0 { // the credential's own choice, in its order
			wish.VOMS[i].FQANs = s.VOMS[named(s.VOMS, vo.Name)].FQANs
		}
	}
	wish.Limited = wish.Limited || s.Limited
	return wish, nil
}

// end is when a proxy ends that somebody wants for life.
func (k *Kind) end(c credential.Credential, r proxycert.Result, life time.Duration) time.Time {
	if life == 0 {
		life = usualLife
	}
	end := k.Now().Add(life)
	for _, latest := range []time.Time{c.ExpiresAt, r.ExpiresAt} {
		if latest.Before(end) {
			end = latest
		}
	}
	return end.UTC().Truncate(time.Second)
}

// attributes gets the extension with a certificate of each VO, and notes in x what it holds. It gets
// all or fails: a job that lacks an attribute fails in ways that nobody understands.
func (k *Kind) attributes(ctx context.Context, issuer proxycert.Credential, vos []material.VO, life time.Duration, x *material.Proxy) ([]byte, error) {
	var acs [][]byte
	for _, vo := range vos {
		der, warnings, err := k.Attributes(ctx, issuer, vo.Name, vo.FQANs, life)
		if err != nil {
			return nil, aboutVO(vo.Name, err)
		}
		ac, err := voms.Parse(der)
		switch {
		case err != nil:
			return nil, aboutVO(vo.Name, err)
		case ac.VO != vo.Name:
			return nil, fault.New(fault.Unavailable, "the server of VO %s answered for VO %.80q", vo.Name, ac.VO).WithHint("tell the people who run that VO")
		}
		if f := missing(vo.FQANs, ac.FQANs); f != "" {
			return nil, fault.New(fault.Unavailable, "VO %s did not give %s", vo.Name, f).WithHint("ask the VO's managers for it, or make a proxy without it")
		}
		acs = append(acs, der)
		x.VOs = append(x.VOs, material.VO{Name: vo.Name, FQANs: short(ac.FQANs)})
		x.Warnings = append(x.Warnings, warnings...)
		if x.AttributesExpireAt.IsZero() || ac.NotAfter.Before(x.AttributesExpireAt) {
			x.AttributesExpireAt = ac.NotAfter.UTC().Truncate(time.Second)
		}
	}
	if len(acs) == 0 {
		return nil, nil
	}
	return voms.Extension(acs...)
}

// below makes a proxy for the request's key or, without one, for a key of the server's.
func (k *Kind) below(ctx context.Context, issuer proxycert.Credential, request string, t proxycert.Template) (proxycert.Credential, error) {
	if request != "" {
		chain, err := proxycert.Sign(issuer, []byte(request), t)
		if err != nil {
			return proxycert.Credential{}, explain(err)
		}
		return proxycert.Credential{Chain: chain}, nil
	}
	key, err := k.Keys.Take(ctx)
	if err != nil {
		return proxycert.Credential{}, err
	}
	c, err := proxycert.New(issuer, key, t)
	if err != nil {
		return c, explain(err)
	}
	return c, nil
}

// handOut writes a proxy and completes what x says of it.
func handOut(c proxycert.Credential, x material.Proxy) (material.Material, error) {
	text, err := c.PEM()
	if err != nil {
		return material.Material{}, err
	}
	x.PEM, x.Subject, x.Limited = material.Secret(text), dn.Slash(c.Chain[0].RawSubject), c.Limited()
	return material.Material{ExpiresAt: c.NotAfter().UTC(), X509: &x}, nil
}
