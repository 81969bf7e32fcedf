-- Upload ids of the MediaLab API and what came under each, numbers and titles of folders, and tenants' private tokens.

CREATE TABLE batches (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    folder          text        COLLATE "C" NOT NULL,
    max_file_bytes  bigint      CHECK (max_file_bytes > 0),
    max_files       bigint      CHECK (max_files > 0),
    max_total_bytes bigint      CHECK (max_total_bytes > 0),
    extensions      text[]      NOT NULL, -- lower case, without the dot; empty: all
    transcode       boolean     NOT NULL,
    hides_response  boolean     NOT NULL,
    finishes_itself boolean     NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    -- What was accepted so far: changed in the transaction that registers the files.
    file_count      bigint      NOT NULL DEFAULT 0,
    total_bytes     bigint      NOT NULL DEFAULT 0
) WITH (fillfactor = 75);

CREATE TABLE batch_files (
    batch_id  uuid   NOT NULL REFERENCES batches ON DELETE CASCADE,
    position  bigint NOT NULL,
    upload_id uuid   NOT NULL,
    PRIMARY KEY (batch_id, position)
);

CREATE INDEX uploads_medialab_folder ON uploads (tenant_id, folder, created_at, id) WHERE dialect = 'medialab';

-- A title is what its creator called a folder, where the path could not hold that.
ALTER TABLE folders
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN title  text;

CREATE UNIQUE INDEX folders_number ON folders (number);

CREATE TABLE private_tokens (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    tenant_id  uuid        NOT NULL REFERENCES tenants,
    role       text        NOT NULL CHECK (role IN ('viewer', 'render', 'editor', 'manager', 'admin')),
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
