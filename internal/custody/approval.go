package custody

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lanyardhq/lanyard/internal/broker/standing"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/custody/renewal"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/provider"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Approval is the page where somebody approves a grant.
type Approval struct {
	CredentialID string
	URL          string
	ExpiresAt    time.Time
	// Interval is how long to wait between two looks at the credential.
	Interval time.Duration
}

const (
	purpose      = "approval" // of tickets
	approvalLife = 10 * time.Minute
	glance       = 2 * time.Second // between two looks at a credential
	shortestPoll = 2 * time.Second
)

// pending is what we remember while somebody approves. It is sealed at rest.
type pending struct {
	GrantID   string `json:"grant_id"`
	Provider  string `json:"provider"`
	SessionID string `json:"session_id"`
	// By is who approves, for the record that is made when the approval is polled for.
	By       identity.Actor `json:"by"`
	Data     []byte         `json:"data"`
	Interval time.Duration  `json:"interval,omitempty"`
}

func (c *Custody) page(id string) string { return c.Portal + "/approvals/" + url.PathEscape(id) }

// Approval tells where by approves a new grant, or signs in again for one that is in force.
func (c *Custody) Approval(ctx context.Context, by identity.Actor, ref string) (Approval, error) {
	one, err := c.own(ctx, by, ref)
	if err != nil {
		return Approval{}, err
	}
	if _, _, err := c.approvable(one); err != nil {
		return Approval{}, err
	}
	a := Approval{CredentialID: one.ID, URL: c.page(one.ID), Interval: glance, ExpiresAt: one.ExpiresAt}
	if one.Status == credential.Intended {
		a.ExpiresAt = one.CreatedAt.Add(credential.Patience)
	}
	return a, nil
}

// approvable says whether a grant is one to be approved now, and where.
func (c *Custody) approvable(one credential.Credential) (*site, grant.Spec, error) {
	spec, err := grant.ParseSpec(one.Spec)
	if err != nil {
		return nil, spec, err
	}
	at, err := c.site(spec.Provider)
	if err != nil {
		return nil, spec, err
	}
	if at.Client == nil {
		return nil, spec, fault.New(fault.Conflict, "grants at %s need no approval", at.Name())
	}
	_, err = one.Complete(c.now(), one.ExpiresAt) // which tells why not
	return at, spec, err
}

// Begin returns the provider's page on which by, in a browser, approves the grant ref.
func (c *Custody) Begin(ctx context.Context, by identity.Actor, ref string) (redirect string, err error) {
	one, err := c.own(ctx, by, ref)
	if err != nil {
		return "", err
	}
	at, spec, err := c.approvable(one)
	if err != nil {
		return "", err
	}
	if by.SessionID == "" {
		return "", fault.New(fault.Denied, "a grant is approved in a browser in which you are signed in").WithHint("open %s", c.page(one.ID))
	}
	if why, err := standing.Obstacle(ctx, c.Store, c.now(), one); err != nil || why != "" {
		if err == nil {
			err = standing.Refuse(one, why)
		}
		return "", err
	}
	a, err := at.Client.Begin(ctx, grant.Wish{Scopes: spec.Scopes, Audiences: spec.Audiences}, provider.Hint{Name: one.Name, Life: one.ExpiresAt.Sub(c.now())})
	if err != nil {
		return "", err
	}
	p := pending{GrantID: one.ID, Provider: at.ID, SessionID: by.SessionID, By: by, Data: a.Data, Interval: a.Interval}
	data, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode approval: %w", err)
	}
	until := c.now().Add(approvalLife)
	if !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(until) {
		until = a.ExpiresAt
	}
	if a.Interval > 0 {
		f := grant.Family{GrantID: one.ID, Provider: at.ID, Pending: data, PollAt: c.now().Add(max(a.Interval, shortestPoll)), PollUntil: until}
		return a.URL, c.Store.SavePending(ctx, one, f)
	}
	t := session.Ticket{ID: digest(a.State), Purpose: purpose, Data: data, ExpiresAt: until}
	if err := c.Store.InsertTicket(ctx, t); err != nil {
		return "", fmt.Errorf("insert approval: %w", err)
	}
	return a.URL, nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Callback takes what the provider's redirect brought back to the browser of by. The address of the
// redirect names the provider, so that an answer of one is never taken for an answer of another. With
// an error the ID of the grant is returned, if it is known by then, so that it can be tried again; or
// the grant that has ended, because the answer was a no and it waited for a yes.
func (c *Custody) Callback(ctx context.Context, by identity.Actor, provider string, answer url.Values) (credential.Credential, error) {
	for name, values := range answer {
		if len(values) > 1 {
			return credential.Credential{}, fault.New(fault.Invalid, "the answer of the provider has two values for %.40q", name)
		}
	}
	p, err := c.takePending(ctx, by, provider, answer.Get("state"))
	if err != nil {
		return credential.Credential{}, err
	}
	asked := credential.Credential{ID: p.GrantID}
	at, err := c.site(p.Provider)
	if err != nil {
		return asked, err
	}
	got, err := at.Client.Finish(ctx, p.Data, answer)
	// The person's browser may leave now; what the provider has given, or refused, must not get lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewal.SaveLife)
	defer cancel()
	if errors.Is(err, grant.ErrDeclined) {
		return c.declined(ctx, by, at, p.GrantID, err)
	}
	if err != nil {
		return asked, err
	}
	one, err := c.approved(ctx, by, at, p.GrantID, got)
	if err != nil {
		return asked, err
	}
	return one, nil
}

// takePending uses up the ticket of an approval, for the browser and the provider that it was made for.
func (c *Custody) takePending(ctx context.Context, by identity.Actor, provider, state string) (pending, error) {
	stale := fault.New(fault.Invalid, "this approval took longer than 10 minutes, was used already, or began in another browser").
		WithHint("begin again from the page of the grant")
	t, err := c.Store.Ticket(ctx, purpose, digest(state), "", c.now())
	if fault.CodeOf(err) == fault.NotFound {
		err = stale
	}
	if err != nil {
		return pending{}, err
	}
	var p pending
	if err := json.Unmarshal(t.Data, &p); err != nil {
		return p, fmt.Errorf("decode approval: %w", err)
	}
	if p.Provider != provider || by.SessionID == "" || p.SessionID != by.SessionID || p.By.AccountID != by.AccountID {
		return p, stale
	}
	done, err := c.Store.SaveTicket(ctx, t, true)
	if err == nil && !done {
		err = stale
	}
	return p, err
}

// approved brings a grant into force, or back into force, with what its provider gave.
func (c *Custody) approved(ctx context.Context, by identity.Actor, at *site, id string, got grant.Tokens) (one credential.Credential, err error) {
	if got.Refresh == "" {
		return one, fault.New(fault.Conflict, "%s gave no refresh token, so there is nothing to keep", at.Name()).
			WithHint("approve again and allow offline access; if that does not help, the people who run this server must have the client given offline access, or change the provider's setting \"offline\"")
	}
	for range rounds {
		if one, err = c.approveOnce(ctx, by, at, id, got); !errors.Is(err, fault.ErrStale) {
			break
		}
	}
	if err != nil { // what we do not keep must not live on
		ctx, cancel := context.WithTimeout(ctx, renewal.Deadline)
		defer cancel()
		if _, failed := at.Client.Revoke(ctx, got.Refresh); failed != nil {
			c.Log.WarnContext(ctx, "a refresh token that is not kept was not revoked", "grant", id, "provider", at.ID, "err", failed)
		}
		return one, err
	}
	return one, c.stillAllowed(ctx, one)
}

func (c *Custody) approveOnce(ctx context.Context, by identity.Actor, at *site, id string, got grant.Tokens) (credential.Credential, error) {
	one, _, err := c.Store.Credential(ctx, id)
	if err != nil {
		return one, err
	}
	_, old, err := c.Store.Grant(ctx, id)
	if err != nil {
		return one, err
	}
	if old.Subject != "" && got.Subject != "" && got.Subject != old.Subject {
		return one, fault.New(fault.Denied, "at %s you signed in as somebody else than when you approved this grant first", at.Name()).
			WithHint("sign out there and sign in again as before, or approve a new grant")
	}
	_, spec, err := c.approvable(one)
	if err != nil {
		return one, err
	}
	if why, err := standing.Obstacle(ctx, c.Store, c.now(), one); err != nil || why != "" {
		return one, errors.Join(err, standing.Refuse(one, why))
	}
	return c.saveApproval(ctx, by, one, spec, old, got)
}
