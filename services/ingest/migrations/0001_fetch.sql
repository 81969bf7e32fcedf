-- One row per fetch; one without an envelope has ended, or its upload ended before it was heard of.

CREATE TABLE fetches (
    upload_id      uuid        PRIMARY KEY,
    tenant_id      uuid        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('open', 'completed', 'failed', 'cancelled')),
    envelope       text,       -- FetchRequested with its trace; removed at the end, for URLs may hold secrets
    next_at        timestamptz NOT NULL DEFAULT now(), -- open: may be claimed from then on; while leased, the end of the lease
    lease          uuid,
    attempts       integer     NOT NULL DEFAULT 0, -- claims that did not end in order, the present one included
    failures       integer     NOT NULL DEFAULT 0, -- of the source
    store_errors   integer     NOT NULL DEFAULT 0, -- in a row
    has_begun      boolean     NOT NULL DEFAULT false, -- an answer was accepted: the next three are what its head said
    file_name      text,
    content_type   text,
    total_bytes    bigint,
    reports        integer     NOT NULL DEFAULT 0, -- FetchProgressed so far
    reported_bytes bigint      NOT NULL DEFAULT 0,
    error_code     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz,
    CHECK ((state = 'open') = (envelope IS NOT NULL)),
    CHECK ((state = 'open') = (ended_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX fetches_due ON fetches (next_at) WHERE state = 'open';
CREATE INDEX fetches_ended ON fetches (ended_at) WHERE ended_at IS NOT NULL;
