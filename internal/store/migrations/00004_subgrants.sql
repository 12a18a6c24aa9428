-- Delegated sub-grants of grants, which the world knows as mytokens.

-- +goose Up

CREATE TABLE subgrant (
    id           TEXT PRIMARY KEY,
    grant_id     TEXT NOT NULL REFERENCES credential (id) ON DELETE CASCADE,
    made_from    TEXT NOT NULL, -- empty for the first; it never changes, because uses count there
    parent_id    TEXT NOT NULL, -- the nearest of those above that has not ended
    owner_id     TEXT NOT NULL REFERENCES account (id),
    provider     TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    name         TEXT NOT NULL,
    application  TEXT NOT NULL,
    address      TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    seq          BIGINT NOT NULL,
    capabilities TEXT NOT NULL, -- JSON
    clauses      TEXT NOT NULL, -- JSON
    counts       TEXT NOT NULL, -- JSON, in the order of the clauses
    rotation     TEXT NOT NULL, -- JSON
    created_at   BIGINT NOT NULL,
    issued_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    reason       TEXT NOT NULL
);
CREATE INDEX subgrant_grant ON subgrant (grant_id);
CREATE INDEX subgrant_in_force ON subgrant (grant_id) WHERE ended_at = 0;
CREATE INDEX subgrant_ended ON subgrant (ended_at) WHERE ended_at > 0;
CREATE INDEX subgrant_made_from ON subgrant (made_from) WHERE made_from <> '';
CREATE INDEX subgrant_parent ON subgrant (parent_id) WHERE parent_id <> '';
CREATE INDEX subgrant_owner ON subgrant (owner_id) WHERE ended_at = 0;
CREATE INDEX subgrant_expiry ON subgrant (expires_at) WHERE ended_at = 0 AND expires_at > 0;

-- Short tokens and transfer codes, by hash.
CREATE TABLE subgrant_code (
    hash        BYTEA PRIMARY KEY,
    purpose     TEXT NOT NULL,
    subgrant_id TEXT NOT NULL REFERENCES subgrant (id) ON DELETE CASCADE,
    seq         BIGINT NOT NULL,
    form        TEXT NOT NULL,
    sole        BOOLEAN NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX subgrant_code_of ON subgrant_code (subgrant_id);

-- What happened to each, the newest lines only. Changes of rights are in the audit trail as well.
CREATE TABLE subgrant_event (
    subgrant_id TEXT NOT NULL REFERENCES subgrant (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    name        TEXT NOT NULL,
    comment     TEXT NOT NULL,
    address     TEXT NOT NULL,
    user_agent  TEXT NOT NULL,
    PRIMARY KEY (subgrant_id, number)
);

-- Requests of applications that wait for a person.
CREATE TABLE delegation_flow (
    id         TEXT PRIMARY KEY,
    consent    BYTEA NOT NULL UNIQUE, -- hashes of the two codes
    polling    BYTEA NOT NULL UNIQUE,
    state      TEXT NOT NULL,
    provider   TEXT NOT NULL,
    wish       TEXT NOT NULL, -- JSON
    granted    TEXT NOT NULL, -- JSON
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    grant_id   TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX delegation_flow_address ON delegation_flow (address);
CREATE INDEX delegation_flow_expiry ON delegation_flow (expires_at);
