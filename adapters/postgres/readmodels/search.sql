-- Tables of projections.Search in the built-in engine, for one generation.
CREATE TABLE document (
  journal_id  bigint NOT NULL, id bigint NOT NULL,
  account_id  bigint NOT NULL,
  date        timestamptz NOT NULL, internal_date timestamptz NOT NULL, -- as in message
  size        bigint NOT NULL,
  seen        boolean NOT NULL, flagged boolean NOT NULL, has_attachments boolean NOT NULL,
  flags       text[] NOT NULL,
  folder      text COLLATE "C" NOT NULL,
  words       tsvector NOT NULL,               -- lexemes lead with journal and field: SearchStore
  parts       text[] COLLATE "C" NOT NULL,     -- people, lists and file names, in the order of shortFields
  PRIMARY KEY (journal_id, id)
) WITH (fillfactor = 90, toast_tuple_target = 128); -- what is not shown lies aside: a count of many hits reads few pages
CREATE INDEX document_date ON document (journal_id, date, id);
CREATE TABLE short_word (                      -- the words of people, lists and file names, to be found by a part of them
  journal_id  bigint NOT NULL,
  field       text COLLATE "C" NOT NULL,       -- class of its lexemes
  word        text COLLATE "C" NOT NULL, documents bigint NOT NULL, -- that have the word in the field
  pieces      tsvector NOT NULL,               -- its trigrams; they lead with journal and field
  PRIMARY KEY (journal_id, field, word)
) WITH (fillfactor = 70);
CREATE TABLE frequency (                       -- how many of the documents that are sampled hold a lexeme; '' counts them
  journal_id  bigint NOT NULL, lexeme text COLLATE "C" NOT NULL, documents bigint NOT NULL,
  PRIMARY KEY (journal_id, lexeme)
) WITH (fillfactor = 70);
