-- What people must be told, until they dismiss it; see internal/notice.

-- +goose Up

CREATE TABLE notice (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL, -- the id of what it is about
    at         BIGINT NOT NULL,
    name       TEXT NOT NULL,
    place      TEXT NOT NULL,
    address    TEXT NOT NULL,
    program    TEXT NOT NULL
);
CREATE INDEX notice_account ON notice (account_id, at);
CREATE INDEX notice_at ON notice (at);
