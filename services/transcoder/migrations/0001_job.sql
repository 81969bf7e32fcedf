-- One row per completed upload; a row without an envelope only remembers that the file was removed first.

CREATE TABLE job (
    upload_id    uuid        PRIMARY KEY,
    state        text        NOT NULL CHECK (state IN ('open', 'completed', 'failed', 'removed')),
    lane         text        NOT NULL DEFAULT 'sniff' CHECK (lane IN ('sniff', 'quick', 'video')),
    envelope     text,
    mime_type    text,
    next_at      timestamptz NOT NULL DEFAULT now(), -- open: may be claimed from then on; while leased, the end of the lease
    lease        uuid,
    attempts     integer     NOT NULL DEFAULT 0,
    store_errors integer     NOT NULL DEFAULT 0,
    percent      smallint    NOT NULL DEFAULT 0,
    error_code   text,
    renditions   jsonb,
    clean_at     timestamptz, -- removed: when to look for renditions that were written late
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX job_due ON job (lane, next_at) WHERE state = 'open';
CREATE INDEX job_clean ON job (clean_at) WHERE clean_at IS NOT NULL;
