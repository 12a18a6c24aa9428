-- Access tokens that are verified by their signature, and refresh tokens with a grace.

-- +goose Up

-- Whom the access tokens of a session are for; null where they are for us.
ALTER TABLE session ADD COLUMN audiences TEXT NOT NULL DEFAULT 'null'; -- JSON

-- When a refresh token was spent, and what its successor is derived with; see session.Token.
ALTER TABLE token ADD COLUMN spent_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE token ADD COLUMN salt TEXT NOT NULL DEFAULT '';

-- Tokens that were taken back: by their own id, or by that of their session, grant or account.
CREATE TABLE denial (
    id       TEXT PRIMARY KEY,
    seq      BIGINT NOT NULL, -- of its entry in the feed
    at       BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
CREATE INDEX denial_seq ON denial (seq);
