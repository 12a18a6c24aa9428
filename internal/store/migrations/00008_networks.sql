-- Open requests are counted by the network they come from: an IPv6 host has a /64 of addresses.

-- +goose Up

-- Requests live for minutes: those there are count for nobody.
ALTER TABLE delegation_flow ADD COLUMN network TEXT NOT NULL DEFAULT '';
DROP INDEX delegation_flow_address;
CREATE INDEX delegation_flow_network ON delegation_flow (network);
