-- Virtual organisations, the certificates of accounts, and the keys of Lanyard's own authorities.

-- +goose Up

-- Memberships that somebody wrote down; rules give others. Names are in slash form; their keys are
-- equal for equal names.
CREATE TABLE vo_member (
    id           TEXT PRIMARY KEY,
    vo           TEXT NOT NULL,
    account_id   TEXT NOT NULL, -- empty: by certificate
    subject      TEXT NOT NULL,
    subject_key  TEXT NOT NULL,
    issuer       TEXT NOT NULL,
    issuer_key   TEXT NOT NULL,
    fqans        TEXT NOT NULL, -- JSON
    attributes   TEXT NOT NULL, -- JSON
    suspended_at BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    source       TEXT NOT NULL,
    since        BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    UNIQUE (vo, account_id, subject_key, issuer_key, source)
);
CREATE INDEX vo_member_subject ON vo_member (subject_key) WHERE subject_key <> '';
CREATE INDEX vo_member_account ON vo_member (account_id) WHERE account_id <> '';

-- Certificates of other authorities that belong to accounts.
CREATE TABLE account_certificate (
    subject_key TEXT NOT NULL,
    issuer_key  TEXT NOT NULL,
    account_id  TEXT NOT NULL REFERENCES account (id),
    subject     TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    source      TEXT NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (subject_key, issuer_key)
);
CREATE INDEX account_certificate_account ON account_certificate (account_id);

-- The groups claim of each account's last sign-in.
CREATE TABLE account_group (
    account_id TEXT NOT NULL REFERENCES account (id),
    name       TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- The name that an account has in certificates of the online CA, given once.
CREATE TABLE account_subject (
    account_id TEXT PRIMARY KEY REFERENCES account (id),
    subject    TEXT NOT NULL UNIQUE
);

-- The CA's key and those of attribute authorities.
CREATE TABLE authority_key (
    name        TEXT PRIMARY KEY,
    id          TEXT NOT NULL,
    private_key BYTEA NOT NULL, -- sealed
    certificate BYTEA NOT NULL,
    not_after   BIGINT NOT NULL
);

-- The list of revoked certificates as it was last published: one row.
CREATE TABLE revocation_list (
    name   TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    der    BYTEA NOT NULL,
    at     BIGINT NOT NULL
);
