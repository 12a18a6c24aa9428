package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/caller"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/opaque"
	"github.com/lanyardhq/lanyard/internal/login/upstream"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// alphabet of user codes: 32 characters without 0, O, 1 and I; eight of them are 40 bits.
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// Polling, in RFC 8628 §3.5: clients wait 5 seconds between polls. One that comes more than a
// second early is told to slow down, which raises its interval once; refused polls do not count
// as polls, or an honest client would never be served again.
const (
	pollEvery = 5 * time.Second
	pollEarly = time.Second
	slower    = 5 * time.Second
)

// Device is a request of a machine to act for somebody, as shown to them.
type Device struct {
	UserCode string // XXXX-XXXX
	ClientID string
	// Host is what the machine says it is called: nobody has checked.
	Host string
	// Address is where the request came from.
	Address            string
	Scopes             []identity.Scope
	Audiences          []string
	AskedAt, ExpiresAt time.Time
}

// DeviceCode is the answer to a machine that asks.
type DeviceCode struct {
	Code      material.Secret
	UserCode  string
	ExpiresAt time.Time
	Interval  time.Duration
}

// decision of a person about a device.
type decision string

const (
	undecided decision = ""
	approved  decision = "approved"
	refused   decision = "refused"
)

// device is what a ticket remembers.
type device struct {
	Device
	Interval        time.Duration
	PolledAt        time.Time
	Decision        decision
	AccountID       string
	AuthenticatedAt time.Time
}

// A DeviceRequest asks for a device code. Host is what the machine calls itself.
type DeviceRequest struct {
	ClientID, Host string
	Scopes         []identity.Scope
	Audiences      []string // as of a session
}

// StartDevice begins a device flow (RFC 8628).
func (l *Login) StartDevice(ctx context.Context, q DeviceRequest, r Request) (DeviceCode, error) {
	now := l.now()
	if err := l.starts.Spend(now, 1, caller.Network(r.Address)); err != nil {
		return DeviceCode{}, err
	}
	text, handle := opaque.Random(), userCode()
	d := device{Interval: pollEvery, Device: Device{UserCode: handle[:4] + "-" + handle[4:], ClientID: q.ClientID, Host: upstream.Clean(q.Host, 100),
		Address: r.Address, Scopes: q.Scopes, Audiences: q.Audiences, AskedAt: now, ExpiresAt: now.Add(deviceLife)}}
	data, err := json.Marshal(d)
	if err != nil {
		return DeviceCode{}, fmt.Errorf("encode device: %w", err)
	}
	// The ticket outlives the request, so that a late poll hears expired_token.
	t := session.Ticket{ID: opaque.Digest(text), Purpose: "device", Handle: handle, Data: data, ExpiresAt: d.ExpiresAt.Add(deviceLife)}
	if err := l.c.Store.InsertTicket(ctx, t); err != nil {
		return DeviceCode{}, fmt.Errorf("insert device: %w", err)
	}
	return DeviceCode{Code: material.Secret(text), UserCode: d.UserCode, ExpiresAt: d.ExpiresAt, Interval: d.Interval}, nil
}

func userCode() string {
	b := make([]byte, 8)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%byte(len(alphabet))] // 256 is a multiple of 32: no bias
	}
	return string(b)
}

// FindDevice returns the request with a code as typed by the person who acts: case, blanks and
// dashes do not matter. Wrong codes are limited to five a minute for each account and address.
func (l *Login) FindDevice(ctx context.Context, by identity.Actor, typed string) (Device, error) {
	d, _, err := l.device(ctx, by, typed)
	return d.Device, err
}

func (l *Login) device(ctx context.Context, by identity.Actor, typed string) (device, session.Ticket, error) {
	var d device
	if err := l.atBrowser(ctx, by); err != nil {
		return d, session.Ticket{}, err
	}
	now, keys := l.now(), []string{by.AccountID, caller.Network(by.Address)}
	if err := l.wrong.Spend(now, 0, keys...); err != nil {
		return d, session.Ticket{}, err
	}
	var unknown error = fault.New(fault.NotFound, "there is no such code, or it has ended").WithHint("check it, or run the command again for a new one")
	handle := strings.Map(func(r rune) rune {
		if strings.ContainsRune(alphabet, r) {
			return r
		}
		return -1
	}, strings.ToUpper(typed))
	t, err := l.c.Store.Ticket(ctx, "device", "", cmp.Or(handle, "-"), now)
	if fault.CodeOf(err) == fault.NotFound {
		return d, t, cmp.Or(l.wrong.Spend(now, 1, keys...), unknown)
	} else if err != nil {
		return d, t, fmt.Errorf("find device: %w", err)
	}
	if err := json.Unmarshal(t.Data, &d); err != nil {
		return d, t, fmt.Errorf("decode device: %w", err)
	}
	if !now.Before(d.ExpiresAt) {
		return d, t, unknown
	}
	if d.Decision != undecided {
		return d, t, fault.New(fault.Conflict, "this request was %s already", d.Decision)
	}
	return d, t, nil
}

// DecideDevice approves or refuses a request for the person who acts, once and for good. An
// approval lets the machine act for them until the session that it makes ends.
func (l *Login) DecideDevice(ctx context.Context, by identity.Actor, typed string, approve bool) error {
	for range 5 { // the machine's polls change the same ticket
		d, t, err := l.device(ctx, by, typed)
		if err != nil {
			return err
		}
		d.Decision, d.AccountID, d.AuthenticatedAt = refused, by.AccountID, by.AuthenticatedAt
		if approve {
			d.Decision = approved
		}
		ok, err := l.saveDevice(ctx, t, d)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if !approve {
			l.c.Log.WarnContext(ctx, "device request refused", "account", by.AccountID, "client", d.ClientID, "host", d.Host, "address", d.Address)
		}
		return nil
	}
	return fault.New(fault.Unavailable, "the request changed while you decided").WithHint("try again")
}

func (l *Login) saveDevice(ctx context.Context, t session.Ticket, d device) (bool, error) {
	var err error
	if t.Data, err = json.Marshal(d); err != nil {
		return false, fmt.Errorf("encode device: %w", err)
	}
	ok, err := l.c.Store.SaveTicket(ctx, t, false)
	return ok, wrap("save device", err)
}

// PollDevice answers a machine that asks what became of its request: the grant, once, or
// ErrPending, ErrSlowDown, ErrExpired, ErrRefused, and ErrGrant for codes that are unknown, used
// or another client's.
func (l *Login) PollDevice(ctx context.Context, p Redemption, r Request) (Grant, error) {
	now := l.now()
	t, err := l.c.Store.Ticket(ctx, "device", opaque.Digest(p.Proof.Reveal()), "", now)
	if fault.CodeOf(err) == fault.NotFound {
		return Grant{}, ErrGrant
	} else if err != nil {
		return Grant{}, fmt.Errorf("find device: %w", err)
	}
	var d device
	if err := json.Unmarshal(t.Data, &d); err != nil {
		return Grant{}, fmt.Errorf("decode device: %w", err)
	}
	switch {
	case d.ClientID != p.ClientID:
		return Grant{}, ErrGrant
	case !now.Before(d.ExpiresAt):
		return Grant{}, ErrExpired
	case d.Decision == refused:
		return Grant{}, ErrRefused
	case d.Decision == approved:
		s := session.Session{ClientID: p.ClientID, Host: d.Host, Scopes: d.Scopes, Audiences: late(d.Audiences, p.Audiences), AuthenticatedAt: d.AuthenticatedAt}
		return l.grant(ctx, s, opening{d.AccountID, t, session.Token{}, p.Mint}, r)
	case now.Before(d.PolledAt.Add(d.Interval - pollEarly)):
		return Grant{}, l.slowDown(ctx, t, d)
	}
	d.PolledAt = now
	// If a decision came in between, the next poll sees it.
	_, err = l.saveDevice(ctx, t, d)
	return Grant{}, cmp.Or(err, ErrPending)
}

func (l *Login) slowDown(ctx context.Context, t session.Ticket, d device) error {
	if d.Interval > pollEvery {
		return ErrSlowDown
	}
	d.Interval += slower
	_, err := l.saveDevice(ctx, t, d)
	return cmp.Or(err, ErrSlowDown)
}
