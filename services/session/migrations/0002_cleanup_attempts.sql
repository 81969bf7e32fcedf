-- How often the cleaning was begun since it last worked: what cannot be deleted is tried less and less often.
ALTER TABLE sessions ADD COLUMN cleanup_attempts smallint NOT NULL DEFAULT 0;
