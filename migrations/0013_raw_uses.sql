-- +goose Up
-- The key is checked partition by partition: a check through the partitioned table locks and opens all
-- sixteen for each row.
-- +goose StatementBegin
DO $$ DECLARE i int; BEGIN
  ALTER TABLE raw.uses DROP CONSTRAINT uses_journal_id_sha256_fkey;
  FOR i IN 0..15 LOOP
    EXECUTE format('ALTER TABLE raw.uses_%s ADD FOREIGN KEY (journal_id, sha256) REFERENCES raw.messages_%s', i, i);
  END LOOP;
END $$;
-- +goose StatementEnd
