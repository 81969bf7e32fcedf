-- A file is known by when it changed, too; and one that was taken may be set aside and looked at again.

ALTER TABLE watched_files
    ADD COLUMN changed_at double precision, -- in seconds since 1970; not known of files that were found before
    ADD COLUMN aside_path text,             -- aside: where it lies now
    DROP CONSTRAINT watched_files_state_check,
    DROP CONSTRAINT watched_files_check,
    ADD CHECK (state IN ('found', 'accepted', 'refused', 'taken', 'kept', 'aside')),
    ADD CHECK ((state IN ('taken', 'kept', 'aside')) = (ended_at IS NOT NULL)),
    ADD CHECK ((state = 'aside') = (aside_path IS NOT NULL));

DROP INDEX watched_files_due;
CREATE INDEX watched_files_due ON watched_files (next_at) WHERE state IN ('accepted', 'refused', 'aside');
