package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

// A DeviceRequest waits for a person's approval (RFC 8628).
type DeviceRequest struct {
	// UserCode is to be compared on the page; Address is short enough to type, Complete carries
	// the code along, for scanning.
	UserCode, Address, Complete string
	// Life is how long it can be approved.
	Life time.Duration

	code     material.Secret
	interval time.Duration
}

// RequestDevice asks for a device code.
func (p *Provider) RequestDevice(ctx context.Context) (DeviceRequest, error) {
	var got struct {
		DeviceCode material.Secret `json:"device_code"`
		UserCode   string          `json:"user_code"`
		Address    string          `json:"verification_uri"`
		Complete   string          `json:"verification_uri_complete"`
		ExpiresIn  int64           `json:"expires_in"`
		Interval   int64           `json:"interval"`
		oauthError
	}
	if p.Metadata.Device == "" {
		return DeviceRequest{}, fault.New(fault.Invalid, "this server has no sign-in for machines without a browser")
	}
	status, err := p.post(ctx, p.Metadata.Device, url.Values{"scope": {scope()}, "host": {p.Host}}, &got)
	switch {
	case err != nil:
		return DeviceRequest{}, err
	case status != http.StatusOK || got.DeviceCode == "":
		return DeviceRequest{}, got.fault(status)
	case got.Interval <= 0:
		got.Interval = 5 // RFC 8628 §3.2
	}
	return DeviceRequest{UserCode: got.UserCode, Address: got.Address, Complete: got.Complete,
		Life: time.Duration(got.ExpiresIn) * time.Second,
		code: got.DeviceCode, interval: time.Duration(got.Interval) * time.Second}, nil
}

// AwaitDevice polls until d is approved, refused or over. It obeys slow_down for good (RFC 8628
// §3.5) and lets a network that fails for a while pass, polling half as often.
func (p *Provider) AwaitDevice(ctx context.Context, d DeviceRequest) (Tokens, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Life, ErrNotApproved)
	defer cancel()
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.code.Reveal()}}
	for pause := d.interval; ; {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrNotApproved) {
				return Tokens{}, oauthError{Code: "expired_token"}.fault(http.StatusOK)
			}
			return Tokens{}, ctx.Err()
		case <-time.After(pause):
		}
		got, err := p.token(ctx, form)
		switch code := oauthCode(err); {
		case err == nil:
			return got, nil
		case errors.Is(err, ErrNotApproved):
			return Tokens{}, err
		case code == "slow_down":
			pause += 5 * time.Second
		case code == "authorization_pending":
		case code == "" || fault.CodeOf(err) == fault.Unavailable:
			pause = min(2*pause, time.Minute)
		default:
			return Tokens{}, err
		}
	}
}
