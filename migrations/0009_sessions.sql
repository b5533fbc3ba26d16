-- +goose Up
-- Who is signed in on the pages. A session ends when it expires, when its row goes, and when the user's login generation rises.
CREATE TABLE auth.sessions (
  hash bytea PRIMARY KEY,                      -- SHA-256 of what the cookie says
  journal_id bigint NOT NULL REFERENCES auth.users,
  generation int NOT NULL,                     -- login_generation of the user when the session began
  created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
  remote text NOT NULL, agent text NOT NULL    -- address and browser
);
CREATE INDEX sessions_journal ON auth.sessions (journal_id, created_at);
