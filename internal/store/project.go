package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/internal/store/database"
)

const selectProject = `SELECT id, name, title, description, quota_bytes, quota_buckets, used_bytes, used_objects, used_at,
	default_life, max_life, ends_at, frozen_at, freeze_reason, source, created_at FROM project`

func scanProject(r database.Row) (p project.Project, err error) {
	return p, r.Scan(&p.ID, &p.Name, &p.Title, &p.Description, &p.QuotaBytes, &p.QuotaBuckets, &p.UsedBytes, &p.UsedObjects, &p.UsedAt,
		&p.DefaultLife, &p.MaxLife, &p.EndsAt, &p.FrozenAt, &p.FreezeReason, &p.Source, &p.CreatedAt)
}

// InsertProject adds p.
func (s *Store) InsertProject(ctx context.Context, p project.Project, change audit.Change) (int64, error) {
	return s.publishing(ctx, edit{feed.Project, p.ID, change}, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO project (id, name, title, description, quota_bytes, quota_buckets, used_bytes, used_objects,
			used_at, default_life, max_life, ends_at, frozen_at, freeze_reason, source, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
			p.ID, p.Name, p.Title, p.Description, p.QuotaBytes, p.QuotaBuckets, p.UsedBytes, p.UsedObjects,
			p.UsedAt, p.DefaultLife, p.MaxLife, p.EndsAt, p.FrozenAt, p.FreezeReason, p.Source, p.CreatedAt)
		if err != nil {
			return fmt.Errorf("insert project %s: %w", p.ID, err)
		}
		return nil
	})
}

// SaveProject writes all but the measured use.
func (s *Store) SaveProject(ctx context.Context, p project.Project, change audit.Change) (int64, error) {
	return s.publishing(ctx, edit{feed.Project, p.ID, change}, func(ctx context.Context, t *tx) error {
		return t.Must(ctx, "project", `UPDATE project SET name = $2, title = $3, description = $4, quota_bytes = $5, quota_buckets = $6,
			default_life = $7, max_life = $8, ends_at = $9, frozen_at = $10, freeze_reason = $11, source = $12 WHERE id = $1`,
			p.ID, p.Name, p.Title, p.Description, p.QuotaBytes, p.QuotaBuckets,
			p.DefaultLife, p.MaxLife, p.EndsAt, p.FrozenAt, p.FreezeReason, p.Source)
	})
}

// SetUsage replaces a project's measured use. Gateways judge quotas by it, so they are told.
func (s *Store) SetUsage(ctx context.Context, projectID string, u objectstore.Usage, at time.Time) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.Must(ctx, "project", `UPDATE project SET used_bytes = $2, used_objects = $3, used_at = $4 WHERE id = $1`,
			projectID, u.Bytes, u.Objects, at); err != nil {
			return err
		}
		return t.publish(ctx, feed.Project, projectID)
	})
}

// Project finds by id or by name.
func (s *Store) Project(ctx context.Context, ref string) (project.Project, error) {
	return database.One(ctx, s.db, "project", scanProject, selectProject+` WHERE id = $1 OR name = $1`, ref)
}

// ListProjects returns all, or those that accountID is a member of, by name.
func (s *Store) ListProjects(ctx context.Context, accountID string) ([]project.Project, error) {
	var c database.Conditions
	if accountID != "" {
		c.Add("id IN (SELECT project_id FROM member WHERE account_id = ?)", accountID)
	}
	ps, err := database.List(ctx, s.db, scanProject, selectProject+c.String(), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	// Databases differ in how they sort text.
	slices.SortFunc(ps, func(a, b project.Project) int { return cmp.Compare(a.Name, b.Name) })
	return ps, nil
}

const selectBucket = `SELECT id, project_id, name, upstream, public_read, state, created_by, created_at FROM bucket`

func scanBucket(r database.Row) (b bucket.Bucket, err error) {
	return b, r.Scan(&b.ID, &b.ProjectID, &b.Name, &b.Upstream, &b.PublicRead, &b.State, &b.CreatedBy, &b.CreatedAt)
}

// InsertBucket adds b.
func (s *Store) InsertBucket(ctx context.Context, b bucket.Bucket, change audit.Change) (int64, error) {
	return s.publishing(ctx, edit{feed.Bucket, b.ID, change}, func(ctx context.Context, t *tx) error {
		_, err := t.Exec(ctx, `INSERT INTO bucket (id, project_id, name, upstream, public_read, state, created_by, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			b.ID, b.ProjectID, b.Name, b.Upstream, b.PublicRead, string(b.State), b.CreatedBy, b.CreatedAt)
		if err != nil {
			return fmt.Errorf("insert bucket %s: %w", b.ID, err)
		}
		return nil
	})
}

// SaveBucket writes whether b is public and its state, or removes it if gone.
func (s *Store) SaveBucket(ctx context.Context, b bucket.Bucket, gone bool, change audit.Change) (int64, error) {
	return s.publishing(ctx, edit{feed.Bucket, b.ID, change}, func(ctx context.Context, t *tx) error {
		if gone {
			return t.Must(ctx, "bucket", `DELETE FROM bucket WHERE id = $1`, b.ID)
		}
		return t.Must(ctx, "bucket", `UPDATE bucket SET public_read = $2, state = $3 WHERE id = $1`, b.ID, b.PublicRead, string(b.State))
	})
}

// Bucket finds by project and name.
func (s *Store) Bucket(ctx context.Context, projectID, name string) (bucket.Bucket, error) {
	return database.One(ctx, s.db, "bucket", scanBucket, selectBucket+` WHERE project_id = $1 AND name = $2`, projectID, name)
}

// ListBuckets returns those of a project, or of all if it is empty, by name.
func (s *Store) ListBuckets(ctx context.Context, projectID string) ([]bucket.Bucket, error) {
	var c database.Conditions
	c.Equal("project_id", projectID)
	bs, err := database.List(ctx, s.db, scanBucket, selectBucket+c.String(), c.Args...)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	slices.SortFunc(bs, func(a, b bucket.Bucket) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProjectID, b.ProjectID))
	})
	return bs, nil
}
