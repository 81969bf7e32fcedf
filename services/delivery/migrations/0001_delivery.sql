-- Tenants' signing secrets, sealed; what is known of each upload; its webhook; every attempt.

CREATE TABLE tenants (
    tenant_id        uuid PRIMARY KEY,
    revision         integer NOT NULL,
    sealed_secret    text    NOT NULL
);

CREATE TABLE uploads (
    upload_id   uuid PRIMARY KEY,
    tenant_id   uuid        NOT NULL,
    callback    text,       -- contracts.events.Callback
    outcome     text,       -- services.delivery.domain.outcome.Outcome
    size_bytes  bigint,
    mime_type   text,
    updated_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX uploads_old ON uploads (updated_at);

CREATE TABLE webhooks (
    id              uuid PRIMARY KEY,
    upload_id       uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    url             text        NOT NULL,
    receiver        text        NOT NULL,
    body            bytea       NOT NULL,
    traceparent     text,
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'retrying', 'delivered', 'failed')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),
    lease           uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    CHECK ((next_attempt_at IS NULL) = (status IN ('delivered', 'failed'))),
    CHECK ((ended_at IS NULL) = (status IN ('pending', 'retrying')))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX webhooks_due ON webhooks (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhooks_ended ON webhooks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX webhooks_upload ON webhooks (upload_id);

CREATE TABLE webhook_attempts (
    webhook_id      uuid        NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    attempt         integer     NOT NULL,
    started_at      timestamptz NOT NULL,
    elapsed_ms      integer     NOT NULL,
    response_status integer,
    error           text,
    detail          text,
    excerpt         text,
    PRIMARY KEY (webhook_id, attempt)
);
