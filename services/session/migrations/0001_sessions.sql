-- One row per upload, made by whichever event about it comes first. Each job finds its rows through a partial index that
-- holds nothing but the rows that wait for it.

CREATE TABLE sessions (
    upload_id          uuid        PRIMARY KEY,
    tenant_id          uuid        NOT NULL,
    state              text        NOT NULL,
    changed_at         timestamptz,
    traceparent        text,

    staging_key        text,
    object_key         text,
    constraints        jsonb,
    file_name          text,
    transcode          boolean     NOT NULL DEFAULT true,
    deadline_at        timestamptz,

    staged             jsonb,
    staged_bytes       bigint,
    file               jsonb,
    completed_at       timestamptz,
    file_expires_at    timestamptz,
    retention_revision integer     NOT NULL DEFAULT 0,

    abort_reason       text,
    reject_code        text,
    reject_message     text,
    removal            text,
    cleanup_at         timestamptz,
    cleanups           smallint    NOT NULL DEFAULT 0,

    -- the promotion's lease: who copies, and when somebody else may
    promote_at         timestamptz,
    promote_attempts   smallint    NOT NULL DEFAULT 0,
    lease_owner        uuid
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX sessions_promotion ON sessions (promote_at) WHERE state = 'stored';
CREATE INDEX sessions_deadline ON sessions (deadline_at) WHERE state = 'registered';
CREATE INDEX sessions_retention ON sessions (file_expires_at)
    WHERE state = 'completed' AND removal IS NULL AND file_expires_at IS NOT NULL;
CREATE INDEX sessions_cleanup ON sessions (cleanup_at) WHERE cleanup_at IS NOT NULL;
