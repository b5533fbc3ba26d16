-- Indexes of projections.Search that only readers need: made once a generation is full.
CREATE INDEX document_words ON document USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 2048);
CREATE INDEX short_word_pieces ON short_word USING gin (pieces) WITH (fastupdate = off);
