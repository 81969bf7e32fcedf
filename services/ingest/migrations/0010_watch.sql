-- What is watched, as the gateway says; and a row for every file that was found there.

CREATE TABLE watch_folders (
    id              uuid    PRIMARY KEY,
    tenant_id       uuid    NOT NULL,
    revision        integer NOT NULL,
    kind            text    NOT NULL CHECK (kind IN ('directory', 'bucket')),
    on_success      text    NOT NULL CHECK (on_success IN ('delete', 'move')),
    settings_sealed text    NOT NULL,
    removed         boolean NOT NULL -- no file is taken any more; those that were found are brought to their end
);

CREATE TABLE watched_files (
    id              uuid        PRIMARY KEY, -- made of the folder, the path and what tells this file from another one there
    watch_folder_id uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    path            text        NOT NULL,
    size_bytes      bigint      NOT NULL,
    version         text        NOT NULL, -- changes with every write
    state           text        NOT NULL CHECK (state IN ('found', 'accepted', 'refused', 'taken', 'kept')),
    reason          text,       -- of a refusal
    next_at         timestamptz NOT NULL DEFAULT now(), -- accepted, refused: may be cleared from then on; while leased, its end
    attempts        integer     NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    CHECK ((state IN ('taken', 'kept')) = (ended_at IS NOT NULL))
);

-- One file at a time under each path.
CREATE UNIQUE INDEX watched_files_open ON watched_files (watch_folder_id, path) WHERE ended_at IS NULL;
CREATE INDEX watched_files_path ON watched_files (watch_folder_id, path);
CREATE INDEX watched_files_due ON watched_files (next_at) WHERE state IN ('accepted', 'refused');
CREATE INDEX watched_files_ended ON watched_files (ended_at) WHERE ended_at IS NOT NULL;
