-- Webhook endpoints of tenants, and the log of what was delivered to each.

CREATE TABLE webhook_endpoints (
    id                uuid        PRIMARY KEY,
    tenant_id         uuid        NOT NULL REFERENCES tenants,
    revision          integer     NOT NULL,
    generation        integer     NOT NULL, -- see contracts.events.WebhookEndpointConfigured
    url               text        NOT NULL,
    description       text        NOT NULL,
    format            text        NOT NULL,
    events            text[]      NOT NULL, -- in the words of the format; empty: everything
    secret_sealed     text        NOT NULL,
    old_secret_sealed text,                 -- signs, too, until it is revoked
    enabled           boolean     NOT NULL,
    disabled_reason   text,
    disabled_at       timestamptz,
    listens_since     timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CHECK (enabled = (disabled_reason IS NULL) AND enabled = (disabled_at IS NULL))
);

CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant_id, created_at, id);

ALTER TABLE deliveries
    ALTER COLUMN upload_id DROP NOT NULL, -- a test tells of none
    ADD COLUMN endpoint_id uuid,
    ADD COLUMN event       text,
    ADD COLUMN replays     integer     NOT NULL DEFAULT 0,
    ADD COLUMN created_at  timestamptz NOT NULL DEFAULT now();

CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, created_at, delivery_id) WHERE endpoint_id IS NOT NULL;
CREATE INDEX deliveries_endpoint_ended ON deliveries (changed_at)
    WHERE endpoint_id IS NOT NULL AND status IN ('delivered', 'failed');

CREATE TABLE delivery_attempts (
    delivery_id      uuid        NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt          integer     NOT NULL,
    response_status  integer,
    error            text,
    elapsed_ms       integer,
    response_excerpt text,
    ended_at         timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);
