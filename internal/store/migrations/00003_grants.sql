-- Grants: what people approved at providers. And credentials that belong to no project.

-- +goose Up

-- Neither database can relax a column in a way that the other understands, so the table is made anew.
CREATE TABLE credential_anew (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    project_id   TEXT REFERENCES project (id), -- null: personal
    owner_id     TEXT NOT NULL REFERENCES account (id),
    name         TEXT NOT NULL,
    public_id    TEXT NOT NULL,
    spec         TEXT NOT NULL,
    status       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL DEFAULT 0,
    ended_at     BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL DEFAULT 0,
    last_used_by TEXT NOT NULL DEFAULT '',
    generation   BIGINT NOT NULL,
    -- sealed; empty once ended
    state        BYTEA
);
INSERT INTO credential_anew (id, kind, project_id, owner_id, name, public_id, spec, status, reason, created_at, expires_at, due_at,
    lease_until, ended_at, last_used_at, last_used_by, generation, state)
    SELECT id, kind, project_id, owner_id, name, public_id, spec, status, reason, created_at, expires_at, due_at,
    lease_until, ended_at, last_used_at, last_used_by, generation, state FROM credential;
DROP TABLE credential;
ALTER TABLE credential_anew RENAME TO credential;
CREATE UNIQUE INDEX credential_public ON credential (public_id) WHERE public_id <> '';
CREATE INDEX credential_owner ON credential (owner_id, created_at);
CREATE INDEX credential_project ON credential (project_id, created_at);
CREATE INDEX credential_due ON credential (due_at) WHERE due_at > 0;
CREATE INDEX credential_ended ON credential (ended_at) WHERE ended_at > 0;

-- What came of the approval of a grant: one refresh token, which changes, and how it fares.
CREATE TABLE grant_family (
    grant_id           TEXT PRIMARY KEY REFERENCES credential (id) ON DELETE CASCADE,
    provider           TEXT NOT NULL,
    subject            TEXT NOT NULL, -- who approved, as the provider names them
    refresh            BYTEA, -- sealed; null before the approval and once destroyed
    refresh_expires_at BIGINT NOT NULL,
    keep_alive         BOOLEAN NOT NULL, -- using it makes it live longer
    health             TEXT NOT NULL,
    health_since       BIGINT NOT NULL,
    detail             TEXT NOT NULL,
    failures           BIGINT NOT NULL,
    renewals           BIGINT NOT NULL,
    renewed_at         BIGINT NOT NULL,
    due_at             BIGINT NOT NULL,
    runs_out_at        BIGINT NOT NULL, -- when the first token that is in use ends
    lease_until        BIGINT NOT NULL,
    attempt_at         BIGINT NOT NULL, -- of a refresh whose outcome is not written yet
    attempts           BIGINT NOT NULL, -- since the last outcome that is known
    pending            BYTEA, -- sealed: an approval that is polled for
    poll_at            BIGINT NOT NULL,
    poll_until         BIGINT NOT NULL,
    generation         BIGINT NOT NULL
);
CREATE INDEX grant_family_due ON grant_family (provider, due_at) WHERE due_at > 0;
CREATE INDEX grant_family_order ON grant_family (provider, runs_out_at, grant_id) WHERE runs_out_at > 0;
CREATE INDEX grant_family_poll ON grant_family (poll_at) WHERE poll_at > 0;

-- Access tokens that are kept ready, by the key of the wish that they answer; '' is the grant's own.
CREATE TABLE grant_token (
    grant_id   TEXT NOT NULL REFERENCES grant_family (grant_id) ON DELETE CASCADE,
    wish       TEXT NOT NULL,
    asked      TEXT NOT NULL, -- JSON: the wish
    scopes     TEXT NOT NULL, -- JSON: what was given
    audiences  TEXT NOT NULL, -- JSON
    access     BYTEA NOT NULL, -- sealed
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    PRIMARY KEY (grant_id, wish)
);
