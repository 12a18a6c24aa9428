// Package api is the wire of Lanyard's REST interface, version 1: requests, answers and the
// problem document. It is public, so that other programs can use it, and holds no behaviour
// beyond naming things. It imports material and the standard library.
//
// Times are RFC 3339 in UTC, durations whole seconds, sizes bytes. Readers must ignore fields
// they do not know. Lists stand under "items".
package api

import (
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// List is a page of things.
type List[T any] struct {
	Schema     string    `json:"schema"` // lanyard/v1/NOUN.list
	Items      []T       `json:"items"`
	Next       *string   `json:"next"` // cursor for the next page; null at the end
	ServerTime time.Time `json:"server_time"`
}

// WhoAmI describes the caller.
type WhoAmI struct {
	Schema    string    `json:"schema"` // lanyard/v1/whoami
	AccountID string    `json:"account_id,omitempty"`
	Name      string    `json:"name"`
	Email     string    `json:"email,omitempty"`
	Kind      string    `json:"kind"` // person, robot, operator
	Issuer    string    `json:"issuer,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // of the session
	Projects  []Project `json:"projects"`
	// Notices are what the person must be told, newest first, until they dismiss it at the portal.
	Notices []Notice `json:"notices"`
}

// Notice tells a person of something that happened while they were away.
type Notice struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`    // refresh_token_reused, code_reused, grant_needs_sign_in, mytoken_replayed
	Subject string    `json:"subject"` // the id of what it is about
	At      time.Time `json:"at"`
	// Text says what happened and NextStep what to do about it, in whole sentences.
	Text     string `json:"text"`
	NextStep string `json:"next_step"`
}

// Project is one project as the caller may see it.
type Project struct {
	Schema       string    `json:"schema,omitempty"` // lanyard/v1/project
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Title        string    `json:"title"`
	Description  string    `json:"description"`
	Role         string    `json:"role,omitempty"` // the caller's
	QuotaBytes   int64     `json:"quota_bytes"`    // 0: no limit
	QuotaBuckets int64     `json:"quota_buckets"`
	UsedBytes    int64     `json:"used_bytes"`
	UsedObjects  int64     `json:"used_objects"`
	UsedAt       time.Time `json:"used_at,omitzero"`
	DefaultLife  int64     `json:"default_life"` // seconds, in force for new keys
	MaxLife      int64     `json:"max_life"`
	State        string    `json:"state"` // active, frozen, ended
	Reason       string    `json:"reason,omitempty"`
	EndsAt       time.Time `json:"ends_at,omitzero"`
	Source       string    `json:"source"`
	ActiveKeys   int       `json:"active_keys"` // the caller's, or all for managers
	CreatedAt    time.Time `json:"created_at"`
}

// ProjectOrder creates or changes a project; nil fields are left as they are.
type ProjectOrder struct {
	Name         *string    `json:"name,omitempty"`
	Title        *string    `json:"title,omitempty"`
	Description  *string    `json:"description,omitempty"`
	QuotaBytes   *int64     `json:"quota_bytes,omitempty"`
	QuotaBuckets *int64     `json:"quota_buckets,omitempty"`
	DefaultLife  *int64     `json:"default_life,omitempty"`
	MaxLife      *int64     `json:"max_life,omitempty"`
	EndsAt       *time.Time `json:"ends_at,omitempty"`
}

// Member is one account's role in a project.
type Member struct {
	Schema    string    `json:"schema,omitempty"` // lanyard/v1/member
	AccountID string    `json:"account_id"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	Role      string    `json:"role"`
	Source    string    `json:"source"`
	Since     time.Time `json:"since"`
}

// MemberOrder sets a role: user, deputy, manager.
type MemberOrder struct {
	Role string `json:"role"`
}

// CredentialOrder asks for a credential.
type CredentialOrder struct {
	Kind    string `json:"kind"`    // s3key, proxy, grant
	Project string `json:"project"` // id or name; empty for a grant that is the person's own
	Name    string `json:"name"`
	// Life in seconds or ExpiresAt; neither means the default.
	Life      int64     `json:"life,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// S3 holds the rights of an s3key; nil means read and write in the whole project.
	S3 *S3Rights `json:"s3,omitempty"`
	// Proxy is required for a proxy.
	Proxy *ProxyOrder `json:"proxy,omitempty"`
	// Grant is required for a grant.
	Grant *GrantOrder `json:"grant,omitempty"`
}

// S3Rights say what a key may do.
type S3Rights struct {
	// Mode is "read-write", "read" or "custom" (Grants say what).
	Mode   string    `json:"mode"`
	Grants []S3Grant `json:"grants,omitempty"`
}

// S3Grant gives access to one bucket, or to the keys with a prefix in it.
type S3Grant struct {
	Bucket string `json:"bucket"`
	Prefix string `json:"prefix,omitempty"`
	Read   bool   `json:"read,omitempty"`
	Write  bool   `json:"write,omitempty"`
	Delete bool   `json:"delete,omitempty"`
}

// Extension moves a credential's end: to now + Life seconds, to ExpiresAt, or as late as allowed
// if both are zero.
type Extension struct {
	Life      int64     `json:"life,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Credential is one credential. Secrets stand in it only where the request created it or revealed
// it.
type Credential struct {
	Schema      string `json:"schema,omitempty"` // lanyard/v1/KIND, so lanyard/v1/s3key
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	Project     string `json:"project"` // name
	ProjectID   string `json:"project_id"`
	Owner       string `json:"owner"`
	OwnerID     string `json:"owner_id"`
	State       string `json:"state"` // intended, active, frozen, ending, ended
	Reason      string `json:"reason,omitempty"`
	EndsSoon    bool   `json:"ends_soon,omitempty"`
	AccessKeyID string `json:"access_key_id,omitempty"`
	// SecretAccessKey is set only in the answer to create and reveal.
	SecretAccessKey material.Secret `json:"secret_access_key,omitempty"`
	Endpoint        string          `json:"endpoint,omitempty"`
	Region          string          `json:"region,omitempty"`
	Rights          *S3Rights       `json:"rights,omitempty"`
	Proxy           *Proxy          `json:"proxy,omitempty"`
	Grant           *Grant          `json:"grant,omitempty"`
	CreatedAt       time.Time       `json:"created_at"`
	ExpiresAt       time.Time       `json:"expires_at"`
	// EndsInSeconds stands beside ExpiresAt so that scripts need no clock; never negative.
	EndsInSeconds int64     `json:"ends_in_seconds"`
	ExtendUntil   time.Time `json:"extend_until,omitzero"` // the latest end that extend would allow now
	EndedAt       time.Time `json:"ended_at,omitzero"`
	LastUsedAt    time.Time `json:"last_used_at,omitzero"`
	LastUsedBy    string    `json:"last_used_by,omitempty"`
	// RefusedSince is set in the answer to freeze and delete: every gateway refuses from then on.
	RefusedSince time.Time `json:"refused_since,omitzero"`
}

// Configuration names one client's configuration file for a key. Its text has a route of its own.
type Configuration struct {
	Client string `json:"client"` // the word in the route: rclone, s3cmd, aws
	Title  string `json:"title"`
	Path   string `json:"path"` // where the client looks for it
}

// RobotOrder makes a robot account in a project.
type RobotOrder struct {
	Name      string    `json:"name"`
	Role      string    `json:"role,omitempty"` // user (default) or deputy
	Scopes    []string  `json:"scopes,omitempty"`
	Life      int64     `json:"life,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// Robot is a robot account and its token's end.
type Robot struct {
	Schema    string    `json:"schema,omitempty"` // lanyard/v1/robot
	ID        string    `json:"id"`               // account id
	Name      string    `json:"name"`
	Project   string    `json:"project"`
	Role      string    `json:"role"`
	Scopes    []string  `json:"scopes"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	LastSeen  time.Time `json:"last_seen_at,omitzero"`
	State     string    `json:"state"`
	// Token is set only in the answer to create.
	Token material.Secret `json:"token,omitempty"`
}

// Session is one proof of identity that the caller holds: a browser, a program, a robot's token.
type Session struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // browser, client, robot
	// ClientID is the OAuth client; Host is what it said of its machine, unverified.
	ClientID   string    `json:"client_id,omitempty"`
	Host       string    `json:"host,omitempty"`
	Scopes     []string  `json:"scopes"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	LastSeenAt time.Time `json:"last_seen_at,omitzero"`
	// Current marks the session that asked.
	Current bool `json:"current,omitempty"`
}

// Account is a person or robot, for the operator.
type Account struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`
	Name      string    `json:"name"`
	Email     string    `json:"email,omitempty"`
	State     string    `json:"state"` // active, frozen
	Reason    string    `json:"reason,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen_at,omitzero"`
}

// Freeze is the operator's reason for stopping an account, project or provider.
type Freeze struct {
	Reason string `json:"reason"`
}

// ProviderFreeze stops or readmits everybody whom one identity provider vouches for.
type ProviderFreeze struct {
	Issuer string `json:"issuer"`
	Reason string `json:"reason,omitempty"` // not needed to thaw
}

// Receipt tells what a freeze or thaw did.
type Receipt struct {
	Schema       string       `json:"schema"` // lanyard/v1/receipt
	Subject      string       `json:"subject"`
	Credentials  []Credential `json:"credentials"` // that stopped (or came back)
	Sessions     int          `json:"sessions"`    // signed out
	RefusedSince time.Time    `json:"refused_since,omitzero"`
}

// AuditRecord is one line of the audit trail.
type AuditRecord struct {
	Seq       int64             `json:"seq"`
	At        time.Time         `json:"at"`
	Actor     string            `json:"actor"`
	ActorName string            `json:"actor_name"`
	Action    string            `json:"action"`
	Subject   string            `json:"subject"`
	Project   string            `json:"project,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	Address   string            `json:"address,omitempty"`
	Hash      string            `json:"hash"` // hex; chains the record to the one before
}

// AuditVerification is what a walk along the hash chain of the audit trail found.
type AuditVerification struct {
	Schema string `json:"schema"` // lanyard/v1/audit.verification
	Intact bool   `json:"intact"`
	// FirstBad is the sequence number of the first record that does not fit; 0 if all do.
	FirstBad   int64     `json:"first_bad,omitempty"`
	ServerTime time.Time `json:"server_time"`
}
