-- +goose Up
-- Users, tokens and the installation: ordinary tables, not read models. What changes here is recorded as an event too.
CREATE SCHEMA auth;
CREATE TABLE auth.users (
  user_id bigint PRIMARY KEY,                  -- also the id of the user's journal
  name text NOT NULL UNIQUE, email text NOT NULL,
  is_admin boolean NOT NULL, is_active boolean NOT NULL,
  password_hash text NOT NULL,                 -- argon2id, in the PHC string format
  login_generation int NOT NULL DEFAULT 1,     -- raised when the login token is revoked or the password changes
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  erased_by bigint                             -- position of UserErased in the user's journal
);
CREATE TABLE auth.tokens (
  token_id bigint PRIMARY KEY, journal_id bigint NOT NULL REFERENCES auth.users,
  kind text NOT NULL CHECK (kind IN ('login', 'api')),
  name text NOT NULL, prefix text NOT NULL,    -- what may be shown of the token
  hash bytea NOT NULL UNIQUE,                  -- SHA-256 of the token
  scopes text[] NOT NULL, accounts bigint[] NOT NULL, -- accounts empty: all
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, expires_at timestamptz, last_used_at timestamptz
);
CREATE INDEX tokens_journal ON auth.tokens (journal_id, token_id);
CREATE UNIQUE INDEX tokens_login ON auth.tokens (journal_id) WHERE kind = 'login';
CREATE TABLE auth.installation (               -- one row
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  base_url text NOT NULL                       -- of links in events that no request asked for
);
