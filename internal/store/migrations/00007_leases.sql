-- What a process that died was refreshing is found without a look at all grants.

-- +goose Up

CREATE INDEX grant_family_lease ON grant_family (lease_until) WHERE lease_until > 0;
