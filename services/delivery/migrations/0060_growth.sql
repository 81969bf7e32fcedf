-- `updated_at` changes with every update. Block ranges are all that the purge needs, and no update has to touch them (since
-- PostgreSQL 16), so that updates stay on the page of their row.
DROP INDEX uploads_old;
CREATE INDEX uploads_old ON uploads USING brin (updated_at) WITH (autosummarize = on);
DROP INDEX files_old;
CREATE INDEX files_old ON files USING brin (updated_at) WITH (autosummarize = on);
