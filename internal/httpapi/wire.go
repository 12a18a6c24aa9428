package httpapi

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/session"
)

// The functions here turn our words into those of the wire: the only place that does.

// credential renders c without its secret. longest is how far an extension may reach from now; zero
// if that is not known.
func (a *API) credential(c credential.Credential, longest time.Duration) api.Credential {
	now := a.Now().UTC().Truncate(time.Second)
	w := api.Credential{Schema: "lanyard/v1/" + c.Kind, ID: c.ID, Kind: c.Kind, Name: c.Name, Project: c.ProjectName,
		ProjectID: c.ProjectID, Owner: c.OwnerName, OwnerID: c.OwnerID, State: string(c.Status), Reason: string(c.Reason),
		CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, EndedAt: c.EndedAt, LastUsedAt: c.LastUsedAt, LastUsedBy: c.LastUsedBy}
	switch c.Kind {
	case s3key.Name:
		w.AccessKeyID, w.Endpoint, w.Region = c.PublicID, a.Endpoint, a.Region
		var rights api.S3Rights
		if json.Unmarshal(c.Spec, &rights) == nil && rights.Mode != "" {
			w.Rights = &rights
		}
	case proxy.Name:
		w.Proxy = proxyOf(c)
	}
	if left := c.ExpiresAt.Sub(now); left > 0 && (c.Status == credential.Active || c.Status == credential.Frozen) {
		w.EndsInSeconds = int64(left / time.Second)
		w.EndsSoon = c.EndsSoon(now)
	}
	if c.Usable(now) && longest > 0 {
		w.ExtendUntil = a.Broker.Latest(c, longest)
	}
	return w
}

func (a *API) receipt(subject string, r broker.Receipt) api.Receipt {
	w := api.Receipt{Schema: api.SchemaReceipt, Subject: subject, Sessions: r.Sessions, RefusedSince: r.RefusedSince,
		Credentials: []api.Credential{}}
	for _, c := range r.Credentials {
		w.Credentials = append(w.Credentials, a.credential(c, 0))
	}
	return w
}

func (a *API) project(p broker.ProjectView) api.Project {
	w := api.Project{Schema: api.SchemaProject, ID: p.ID, Name: p.Name, Title: p.Title, Description: p.Description, Role: string(p.Role),
		QuotaBytes: p.QuotaBytes, QuotaBuckets: p.QuotaBuckets, UsedBytes: p.UsedBytes, UsedObjects: p.UsedObjects, UsedAt: p.UsedAt,
		DefaultLife: int64(p.Life.Default / time.Second), MaxLife: int64(p.Life.Max / time.Second), State: "active",
		Reason: p.FreezeReason, EndsAt: p.EndsAt, Source: p.Source, ActiveKeys: p.ActiveKeys, CreatedAt: p.CreatedAt}
	switch {
	case !p.FrozenAt.IsZero():
		w.State = "frozen"
	case !p.InForce(a.Now()):
		w.State = "ended"
	}
	return w
}

func member(m project.Member) api.Member {
	return api.Member{Schema: api.SchemaMember, AccountID: m.AccountID, Name: m.AccountName, Kind: string(m.AccountKind),
		Role: string(m.Role), Source: m.Source, Since: m.Since}
}

func robot(r login.RobotAccount) api.Robot {
	return api.Robot{Schema: api.SchemaRobot, ID: r.ID, Name: r.Name, Project: r.ProjectName, Role: string(r.Role),
		Scopes: scopes(r.Session.Scopes), CreatedAt: r.CreatedAt, ExpiresAt: r.Session.ExpiresAt, LastSeen: r.LastSeenAt,
		State: accountState(r.Account)}
}

func account(a identity.Account) api.Account {
	return api.Account{ID: a.ID, Kind: string(a.Kind), Issuer: a.Issuer, Subject: a.Subject, Name: a.Name, Email: a.Email,
		State: accountState(a), Reason: a.FreezeReason, CreatedAt: a.CreatedAt, LastSeen: a.LastSeenAt}
}

func accountState(a identity.Account) string {
	if a.Frozen() {
		return "frozen"
	}
	return "active"
}

func sessionOf(s session.Session, current string) api.Session {
	return api.Session{ID: s.ID, Kind: string(s.Kind), ClientID: s.ClientID, Host: s.Host, Scopes: scopes(s.Scopes),
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, LastSeenAt: s.LastSeenAt, Current: s.ID == current}
}

// scopes names what a token may be used for; nil stands for everything.
func scopes(held []identity.Scope) []string {
	if held == nil {
		held = identity.Scopes()
	}
	names := []string{}
	for _, s := range held {
		names = append(names, string(s))
	}
	return names
}

func record(r audit.Record) api.AuditRecord {
	return api.AuditRecord{Seq: r.Seq, At: r.At, Actor: r.Actor, ActorName: r.ActorName, Action: r.Action, Subject: r.Subject,
		Project: r.Project, Detail: r.Detail, RequestID: r.RequestID, Address: r.Address, Hash: hex.EncodeToString(r.Hash)}
}

// list makes the answer for items, each rendered by f.
func list[T, W any](a *API, schema string, items []T, next *string, f func(T) W) api.List[W] {
	l := api.List[W]{Schema: schema, Items: make([]W, 0, len(items)), Next: next, ServerTime: a.Now().UTC().Truncate(time.Second)}
	for _, item := range items {
		l.Items = append(l.Items, f(item))
	}
	return l
}
