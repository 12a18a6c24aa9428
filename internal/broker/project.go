package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
)

// s3key is the kind whose rule projects show.
const s3key = "s3key"

// admin is the source of what people decided by hand.
const admin = "admin"

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

// ListProjects returns the projects that by is a member of, or all for the operator, by name.
func (b *Broker) ListProjects(ctx context.Context, by identity.Actor) ([]ProjectView, error) {
	if err := b.admit(ctx, by, identity.ReadProjects); err != nil {
		return nil, err
	}
	ps, err := b.Store.ListProjects(ctx, by.AccountID)
	if err != nil {
		return nil, err
	}
	own, err := b.activeKeys(ctx, credential.Filter{OwnerID: by.AccountID}) // all, for the operator
	if err != nil {
		return nil, err
	}
	views := make([]ProjectView, 0, len(ps))
	for _, p := range ps {
		v := ProjectView{Project: p, Role: by.Roles[p.ID], Life: b.Lifetime(p, s3key), ActiveKeys: own[p.ID]}
		if !by.Operator && by.In(p.ID, identity.Deputy) {
			n, err := b.activeKeys(ctx, credential.Filter{ProjectID: p.ID})
			if err != nil {
				return nil, err
			}
			v.ActiveKeys = n[p.ID]
		}
		if by.In(p.ID, identity.User) {
			views = append(views, v)
		}
	}
	return views, nil
}

// ShowProject returns one project, by id or name.
func (b *Broker) ShowProject(ctx context.Context, by identity.Actor, ref string) (ProjectView, error) {
	p, err := b.project(ctx, by, ref, identity.User, identity.ReadProjects)
	if err != nil {
		return ProjectView{}, err
	}
	return b.view(ctx, by, p)
}

func (b *Broker) view(ctx context.Context, by identity.Actor, p project.Project) (ProjectView, error) {
	f := credential.Filter{ProjectID: p.ID}
	if !by.In(p.ID, identity.Deputy) {
		f.OwnerID = by.AccountID
	}
	n, err := b.activeKeys(ctx, f)
	return ProjectView{Project: p, Role: by.Roles[p.ID], Life: b.Lifetime(p, s3key), ActiveKeys: n[p.ID]}, err
}

// activeKeys counts usable S3 keys by project id.
func (b *Broker) activeKeys(ctx context.Context, f credential.Filter) (map[string]int, error) {
	f.Kind, f.Statuses = s3key, []credential.Status{credential.Active}
	cs, err := b.Store.ListCredentials(ctx, f)
	n := map[string]int{}
	for _, c := range cs {
		if c.Usable(b.now()) {
			n[c.ProjectID]++
		}
	}
	return n, err
}

// CreateProject makes a project, for the operator.
func (b *Broker) CreateProject(ctx context.Context, by identity.Actor, o ProjectOrder, once audit.Once) (ProjectView, error) {
	if err := operator(by); err != nil {
		return ProjectView{}, err
	}
	if done, err := b.doneBefore(ctx, by, once); err != nil || done != "" {
		return b.showAgain(ctx, by, done, err)
	}
	now := b.now()
	p, details := o.apply(project.Project{ID: "prj_" + rand.Text(), Source: admin, CreatedAt: now})
	if err := b.checkProject(p); err != nil {
		return ProjectView{}, err
	}
	record := audit.By(by, now, "project.create", p.ID, p.ID)
	record.Detail = details
	_, err := b.Store.InsertProject(ctx, p, audit.Change{Record: record, Once: once})
	if errors.Is(err, fault.ErrStale) {
		if done, err := b.doneBefore(ctx, by, once); err != nil || done != "" {
			return b.showAgain(ctx, by, done, err)
		}
		return ProjectView{}, fault.New(fault.Conflict, "there is a project %s already", p.Name).WithHint("choose another name")
	}
	if err != nil {
		return ProjectView{}, err
	}
	return b.view(ctx, by, p)
}

func (b *Broker) showAgain(ctx context.Context, by identity.Actor, id string, err error) (ProjectView, error) {
	if err != nil {
		return ProjectView{}, err
	}
	return b.ShowProject(ctx, by, id)
}

// ChangeProject changes a project, for the operator, who from then on decides about a project that
// came from the configuration. Its name stays: it is part of addresses and of bucket names.
func (b *Broker) ChangeProject(ctx context.Context, by identity.Actor, ref string, o ProjectOrder) (ProjectView, error) {
	if err := operator(by); err != nil {
		return ProjectView{}, err
	}
	old, err := b.Store.Project(ctx, ref)
	if err != nil {
		return ProjectView{}, err
	}
	p, details := o.apply(old)
	if p.Name != old.Name {
		return ProjectView{}, fault.New(fault.Invalid, "the name of project %s cannot change", old.Name).WithHint("change its title, or make a new project")
	}
	if err := b.checkProject(p); err != nil {
		return ProjectView{}, err
	}
	if p.Source == fromConfig {
		p.Source = admin
	}
	if p != old {
		record := audit.By(by, b.now(), "project.change", p.ID, p.ID)
		record.Detail = details
		if _, err := b.Store.SaveProject(ctx, p, audit.Change{Record: record}); err != nil {
			return ProjectView{}, err
		}
	}
	return b.view(ctx, by, p)
}

// apply returns p as ordered, and the fields that were ordered, for the record.
func (o ProjectOrder) apply(p project.Project) (project.Project, map[string]string) {
	d := map[string]string{}
	text := func(field string, to, from *string) {
		if from != nil {
			*to, d[field] = *from, *from
		}
	}
	number := func(field string, to, from *int64) {
		if from != nil {
			*to, d[field] = *from, strconv.FormatInt(*from, 10)
		}
	}
	life := func(field string, to, from *time.Duration) {
		if from != nil {
			*to, d[field] = from.Truncate(time.Second), from.Truncate(time.Second).String()
		}
	}
	text("name", &p.Name, o.Name)
	text("title", &p.Title, o.Title)
	text("description", &p.Description, o.Description)
	number("quota_bytes", &p.QuotaBytes, o.QuotaBytes)
	number("quota_buckets", &p.QuotaBuckets, o.QuotaBuckets)
	life("default_life", &p.DefaultLife, o.DefaultLife)
	life("max_life", &p.MaxLife, o.MaxLife)
	if o.EndsAt != nil {
		p.EndsAt = time.Time{}
		d["ends_at"] = "open"
		if !o.EndsAt.IsZero() {
			p.EndsAt = o.EndsAt.UTC().Truncate(time.Second)
			d["ends_at"] = p.EndsAt.Format(time.RFC3339)
		}
	}
	return p, d
}

// checkProject refuses what cannot be a project, with an Invalid fault.
func (b *Broker) checkProject(p project.Project) error {
	if err := project.CheckName(p.Name); err != nil {
		return err
	}
	unfit := func(s string, n int, also string) bool {
		return utf8.RuneCountInString(s) > n || !utf8.ValidString(s) ||
			strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune(also, r) })
	}
	longest := b.Rules[s3key].Max
	switch {
	case unfit(p.Title, 200, ""):
		return fault.New(fault.Invalid, "the title of project %s is not one line of at most 200 characters", p.Name)
	case unfit(p.Description, 2000, "\n\t"):
		return fault.New(fault.Invalid, "the description of project %s is longer than 2000 characters or holds control characters", p.Name)
	case p.QuotaBytes < 0 || p.QuotaBuckets < 0:
		return fault.New(fault.Invalid, "a quota of project %s is negative", p.Name).WithHint("0 means no limit")
	case p.DefaultLife < 0 || p.MaxLife < 0:
		return fault.New(fault.Invalid, "a lifetime of project %s is negative", p.Name).WithHint("0 means that of the installation")
	case p.MaxLife > longest || p.DefaultLife > longest:
		return fault.New(fault.Invalid, "a lifetime of project %s is longer than this installation's maximum, %s", p.Name, credential.Words(longest))
	case p.MaxLife > 0 && p.DefaultLife > p.MaxLife:
		return fault.New(fault.Invalid, "the default lifetime of project %s is longer than its maximum", p.Name)
	}
	return nil
}
