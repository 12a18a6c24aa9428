package broker

import (
	"context"
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/material"
)

var errNotYet = errors.New("not written yet")

// What the gateway has to tell apart among Conflict faults about buckets, by errors.Is.
var (
	// ErrBucketExists is the cause when the project has a bucket of that name already.
	ErrBucketExists = errors.New("bucket exists")
	// ErrBucketNotEmpty is the cause when a bucket holds objects or unfinished uploads.
	ErrBucketNotEmpty = errors.New("bucket is not empty")
	// ErrBucketBusy is the cause while a bucket of that name is being made or deleted.
	ErrBucketBusy = errors.New("bucket is being made or deleted")
)

// Issued is a credential with its material.
type Issued struct {
	Credential credential.Credential
	Material   material.Material
	// Replayed is true if an earlier request under the same once-only promise made it.
	Replayed bool
}

// Receipt tells what a change stopped or brought back.
type Receipt struct {
	Credentials []credential.Credential
	Sessions    int // signed out
	// RefusedSince is when the last gateway confirmed; zero if not all did in time.
	RefusedSince time.Time
}

// ProjectView is a project as one actor sees it.
type ProjectView struct {
	project.Project
	Role identity.Role // the actor's; empty for the operator
	// Life is the rule for S3 keys that are made now.
	Life credential.Lifetime
	// ActiveKeys counts the actor's own, or everybody's for managers, deputies and the operator.
	ActiveKeys int
}

// ProjectOrder makes or changes a project; nil fields are left as they are. Zero quotas, lives
// and ends mean none.
type ProjectOrder struct {
	Name, Title, Description *string
	QuotaBytes, QuotaBuckets *int64
	DefaultLife, MaxLife     *time.Duration
	EndsAt                   *time.Time
}

// Membership is what an identity provider says about one account.
type Membership struct {
	Project string // its name
	Title   string
	Role    identity.Role
}

// ProjectConfig is a project as the configuration file defines it.
type ProjectConfig struct {
	project.Project
	Members []ConfigMember
}

// ConfigMember is a member by identity, who need not have signed in yet.
type ConfigMember struct {
	Issuer, Subject string
	Role            identity.Role
}

// Applied tells what ApplyProjects left alone.
type Applied struct {
	Gone    []string // projects that the source once defined and no longer does
	Foreign []string // projects that somebody else decides about
}

func (b *Broker) Issue(ctx context.Context, by identity.Actor, o credential.Order, once audit.Once) (Issued, error) {
	return Issued{}, errNotYet
}
func (b *Broker) Again(ctx context.Context, by identity.Actor, ref string) (Issued, error) {
	return Issued{}, errNotYet
}
func (b *Broker) ListCredentials(ctx context.Context, by identity.Actor, f credential.Filter) ([]credential.Credential, error) {
	return nil, errNotYet
}
func (b *Broker) Show(ctx context.Context, by identity.Actor, ref string) (credential.Credential, error) {
	return credential.Credential{}, errNotYet
}
func (b *Broker) Extend(ctx context.Context, by identity.Actor, ref string, life time.Duration, until time.Time, once audit.Once) (credential.Credential, error) {
	return credential.Credential{}, errNotYet
}
func (b *Broker) Freeze(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) Thaw(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) End(ctx context.Context, by identity.Actor, ref string, once audit.Once) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) Lifetime(p project.Project, kind string) credential.Lifetime {
	return credential.Lifetime{}
}
func (b *Broker) ListProjects(ctx context.Context, by identity.Actor) ([]ProjectView, error) {
	return nil, errNotYet
}
func (b *Broker) ShowProject(ctx context.Context, by identity.Actor, ref string) (ProjectView, error) {
	return ProjectView{}, errNotYet
}
func (b *Broker) CreateProject(ctx context.Context, by identity.Actor, o ProjectOrder, once audit.Once) (ProjectView, error) {
	return ProjectView{}, errNotYet
}
func (b *Broker) ChangeProject(ctx context.Context, by identity.Actor, ref string, o ProjectOrder) (ProjectView, error) {
	return ProjectView{}, errNotYet
}
func (b *Broker) FreezeProject(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ThawProject(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ListMembers(ctx context.Context, by identity.Actor, ref string) ([]project.Member, error) {
	return nil, errNotYet
}
func (b *Broker) SetMember(ctx context.Context, by identity.Actor, ref, accountRef string, role identity.Role) (project.Member, error) {
	return project.Member{}, errNotYet
}
func (b *Broker) RemoveMember(ctx context.Context, by identity.Actor, ref, accountRef string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ImportMemberships(ctx context.Context, account identity.Account, source string, ms []Membership) error {
	return errNotYet
}
func (b *Broker) ApplyProjects(ctx context.Context, source string, ps []ProjectConfig) (Applied, error) {
	return Applied{}, errNotYet
}
func (b *Broker) ListAccounts(ctx context.Context, by identity.Actor, f identity.Filter) ([]identity.Account, error) {
	return nil, errNotYet
}
func (b *Broker) FreezeAccount(ctx context.Context, by identity.Actor, ref, reason string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ThawAccount(ctx context.Context, by identity.Actor, ref string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) FreezeProvider(ctx context.Context, by identity.Actor, issuer, reason string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ThawProvider(ctx context.Context, by identity.Actor, issuer string) (Receipt, error) {
	return Receipt{}, errNotYet
}
func (b *Broker) ListAudit(ctx context.Context, by identity.Actor, f audit.Filter) ([]audit.Record, error) {
	return nil, errNotYet
}
func (b *Broker) CreateBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) (bucket.Bucket, error) {
	return bucket.Bucket{}, errNotYet
}
func (b *Broker) DeleteBucket(ctx context.Context, by identity.Actor, projectID, name string) error {
	return errNotYet
}
func (b *Broker) PublishBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) error {
	return errNotYet
}
func (b *Broker) MeasureProject(ctx context.Context, projectID string) (objectstore.Usage, error) {
	return objectstore.Usage{}, errNotYet
}
func (b *Broker) RecordUses(ctx context.Context, us []credential.Use) error { return errNotYet }
func (b *Broker) Run(ctx context.Context) error                             { return errNotYet }
