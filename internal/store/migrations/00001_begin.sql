-- One text for SQLite and PostgreSQL. Times are Unix seconds, 0 for "never" and "not yet"; spans
-- are seconds. BYTEA has no affinity in SQLite, so bytes stay bytes.

-- +goose Up

-- Proves which master keys sealed this database.
CREATE TABLE master_key (
    id    TEXT PRIMARY KEY,
    proof BYTEA NOT NULL
);

CREATE TABLE account (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL,
    project_id    TEXT NOT NULL,
    frozen_at     BIGINT NOT NULL,
    freeze_reason TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX account_project ON account (project_id) WHERE project_id <> '';

CREATE TABLE frozen_provider (
    issuer TEXT PRIMARY KEY
);

CREATE TABLE project (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    title         TEXT NOT NULL,
    description   TEXT NOT NULL,
    quota_bytes   BIGINT NOT NULL,
    quota_buckets BIGINT NOT NULL,
    used_bytes    BIGINT NOT NULL,
    used_objects  BIGINT NOT NULL,
    used_at       BIGINT NOT NULL,
    default_life  BIGINT NOT NULL,
    max_life      BIGINT NOT NULL,
    ends_at       BIGINT NOT NULL,
    frozen_at     BIGINT NOT NULL,
    freeze_reason TEXT NOT NULL,
    source        TEXT NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE member (
    project_id TEXT NOT NULL REFERENCES project (id),
    account_id TEXT NOT NULL REFERENCES account (id),
    role       TEXT NOT NULL,
    source     TEXT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (project_id, account_id)
);
CREATE INDEX member_account ON member (account_id);

CREATE TABLE credential (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    project_id   TEXT NOT NULL REFERENCES project (id),
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
CREATE UNIQUE INDEX credential_public ON credential (public_id) WHERE public_id <> '';
CREATE INDEX credential_owner ON credential (owner_id, created_at);
CREATE INDEX credential_project ON credential (project_id, created_at);
CREATE INDEX credential_due ON credential (due_at) WHERE due_at > 0;
CREATE INDEX credential_ended ON credential (ended_at) WHERE ended_at > 0;

CREATE TABLE bucket (
    id          TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES project (id),
    name        TEXT NOT NULL,
    upstream    TEXT NOT NULL UNIQUE,
    public_read BOOLEAN NOT NULL,
    state       TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE session (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    account_id       TEXT NOT NULL REFERENCES account (id),
    client_id        TEXT NOT NULL,
    host             TEXT NOT NULL,
    scopes           TEXT NOT NULL, -- JSON, null for all
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    ended_at         BIGINT NOT NULL,
    generation       BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

-- Hashes of what proves a session; the texts are never stored.
CREATE TABLE token (
    hash       TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    used_for   TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_session ON token (session_id);

CREATE TABLE ticket (
    id         TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    handle     TEXT NOT NULL,
    data       BYTEA NOT NULL, -- sealed
    expires_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (purpose, id)
);
CREATE UNIQUE INDEX ticket_handle ON ticket (purpose, handle) WHERE handle <> '';
CREATE INDEX ticket_expires ON ticket (expires_at);

CREATE TABLE signing_key (
    id          TEXT PRIMARY KEY,
    algorithm   TEXT NOT NULL,
    private_key BYTEA NOT NULL, -- sealed
    not_before  BIGINT NOT NULL,
    retired_at  BIGINT NOT NULL
);

-- Promises that requests with the same key are one request.
CREATE TABLE idempotency (
    actor       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    subject     TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

-- One hash chain over all records; see audit.Chain.
CREATE TABLE audit (
    seq        BIGINT PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    project    TEXT NOT NULL,
    detail     TEXT NOT NULL, -- JSON
    request_id TEXT NOT NULL,
    address    TEXT NOT NULL,
    hash       BYTEA NOT NULL
);
CREATE INDEX audit_project ON audit (project, seq);
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX audit_actor ON audit (actor, seq);

-- What gateways must look at again, in commit order and without gaps.
CREATE TABLE feed (
    seq     BIGINT PRIMARY KEY,
    topic   TEXT NOT NULL,
    subject TEXT NOT NULL,
    at      BIGINT NOT NULL
);
