-- Tables of projections.Mail, for one generation. What the fold itself looks up is indexed here, the rest in mail_indexes.sql.
CREATE TABLE message (
  journal_id  bigint NOT NULL, id bigint NOT NULL,
  account_id  bigint NOT NULL, mailbox_id bigint NOT NULL, thread_id bigint NOT NULL,
  date        timestamptz NOT NULL,            -- of the header, else the internal date
  internal_date timestamptz NOT NULL,
  size        bigint NOT NULL,
  position    bigint NOT NULL,                 -- of the last event that changed the message
  created_at  timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  parser      int NOT NULL,                    -- version that made the texts
  seen        boolean NOT NULL, flagged boolean NOT NULL, has_attachments boolean NOT NULL,
  important   boolean NOT NULL, junk boolean NOT NULL, -- by a keyword among the flags
  sha256      bytea NOT NULL,                  -- of the raw message
  flags       text[] NOT NULL,
  folder      text COLLATE "C" NOT NULL, folder_fold text COLLATE "C" NOT NULL, -- name of the mailbox; *_fold: domain.Fold
  msg_id      text COLLATE "C" NOT NULL, in_reply_to text COLLATE "C" NOT NULL, -- without brackets, '' without one
  subject     text COLLATE "C" NOT NULL, subject_fold text COLLATE "C" NOT NULL,
  sender      text COLLATE "C" NOT NULL, sender_fold text COLLATE "C" NOT NULL, sender_name text COLLATE "C" NOT NULL,
  recipient   text COLLATE "C" NOT NULL, recipient_fold text COLLATE "C" NOT NULL,
  snippet     text COLLATE "C" NOT NULL,
  PRIMARY KEY (journal_id, id)
) WITH (fillfactor = 90);                      -- flags change in place
CREATE INDEX message_thread ON message (journal_id, thread_id, date, id);
CREATE TABLE thread (                          -- follows from message
  journal_id  bigint NOT NULL, thread_id bigint NOT NULL, account_id bigint NOT NULL,
  messages    int NOT NULL, unseen int NOT NULL,
  latest_id   bigint NOT NULL, latest_date timestamptz NOT NULL, -- the newest message by date, then id
  PRIMARY KEY (journal_id, thread_id)
) WITH (fillfactor = 90);
CREATE TABLE thread_alias (                    -- earlier ids of a thread
  journal_id  bigint NOT NULL, thread_id bigint NOT NULL,
  into_id     bigint NOT NULL, account_id bigint NOT NULL,
  PRIMARY KEY (journal_id, thread_id)
);
CREATE INDEX thread_alias_into ON thread_alias (journal_id, into_id);
CREATE TABLE tally (                           -- what a mailbox holds under a name; mailbox 0: messages counts the account's threads
  journal_id  bigint NOT NULL, account_id bigint NOT NULL, mailbox_id bigint NOT NULL, folder text COLLATE "C" NOT NULL,
  messages    bigint NOT NULL, unseen bigint NOT NULL, size bigint NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX tally_key ON tally (journal_id, account_id, mailbox_id, md5(folder)); -- a name may be longer than a key of an index
