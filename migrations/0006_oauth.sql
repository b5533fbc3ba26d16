-- +goose Up
-- OAuth 2.0 for accounts (docs/adr/0020): the grant of each, and sign-ins that wait for the browser to come back.
CREATE TABLE state.grants (
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  status     text NOT NULL CHECK (status IN ('pending', 'active', 'needs_reauthorization')),
  sealed     bytea,                            -- the tokens under the secret key, the row's key as associated data
  mechanism  text NOT NULL DEFAULT '',         -- of the last login that was accepted
  scopes     text[] NOT NULL DEFAULT '{}',
  authorized_at timestamptz, expires_at timestamptz, refreshed_at timestamptz, -- expires_at: of the access token
  last_error text NOT NULL DEFAULT '',
  refusals   int NOT NULL DEFAULT 0,           -- logins with a fresh token that the mail server refused, since the last it took
  PRIMARY KEY (journal_id, account_id)
);
CREATE TABLE state.sign_ins (
  state_hash bytea PRIMARY KEY,                -- SHA-256 of the state parameter: good for one use
  journal_id bigint NOT NULL, account_id bigint NOT NULL,
  sealed     bytea NOT NULL,                   -- the code verifier (RFC 7636)
  redirect_uri text NOT NULL, return_url text NOT NULL, -- return_url empty: a page of ours
  expires_at timestamptz NOT NULL
);
CREATE INDEX sign_ins_expired ON state.sign_ins (expires_at);
