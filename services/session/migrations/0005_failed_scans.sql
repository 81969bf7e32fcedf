-- Scans that the virus scanner could not do although it answered: after so many the file is rejected.
ALTER TABLE sessions ADD COLUMN failed_scans smallint NOT NULL DEFAULT 0;
