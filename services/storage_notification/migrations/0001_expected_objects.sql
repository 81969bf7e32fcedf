-- One row per upload. `key` is NULL where its end was heard of before its beginning.
CREATE TABLE expected_objects (
    upload_id      uuid        PRIMARY KEY,
    tenant_id      uuid        NOT NULL,
    key            text        UNIQUE,
    deadline_at    timestamptz,
    traceparent    text,
    announced_etag text,
    announced_at   timestamptz,
    announcements  integer     NOT NULL DEFAULT 0,
    closed_at      timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX expected_objects_closed ON expected_objects (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX expected_objects_forgotten ON expected_objects (deadline_at) WHERE closed_at IS NULL;

-- Keys to look at: noticed before their registration was heard of, or while the store did not answer.
CREATE TABLE notices (
    key         text        PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    due_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX notices_received ON notices (received_at);

-- Who may scan the store: one replica at a time.
CREATE TABLE leases (
    name       text        PRIMARY KEY,
    owner      uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);
