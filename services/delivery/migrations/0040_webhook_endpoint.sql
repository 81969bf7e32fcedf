-- Webhook endpoints as the gateway configured them; webhooks that go to one; what is to be sent once more.

CREATE TABLE endpoints (
    endpoint_id    uuid        PRIMARY KEY,
    tenant_id      uuid        NOT NULL,
    revision       integer     NOT NULL,
    generation     integer     NOT NULL,
    url            text        NOT NULL,
    receiver       text        NOT NULL,
    format         text        NOT NULL,
    news           text[]      NOT NULL, -- empty: everything
    sealed_secrets text[]      NOT NULL, -- the newest first; none once it is removed
    enabled        boolean     NOT NULL,
    removed        boolean     NOT NULL,
    listens_since  timestamptz NOT NULL,
    failing_since  timestamptz,          -- the first failure since the last success, of this generation
    given_up       integer,              -- the generation that delivery gave up
    listening      boolean     NOT NULL
                   GENERATED ALWAYS AS (enabled AND NOT removed AND given_up IS DISTINCT FROM generation) STORED
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX endpoints_listening ON endpoints (tenant_id) WHERE listening;

ALTER TABLE webhooks
    ALTER COLUMN upload_id DROP NOT NULL, -- a test tells of none
    DROP CONSTRAINT webhooks_format_check,
    ADD CHECK (format IN ('standard', 'uploadcare', 'medialab')),
    ADD COLUMN endpoint_id     uuid, -- url, receiver and secrets are the endpoint's of the moment
    ADD COLUMN event           text,
    ADD COLUMN replays         integer NOT NULL DEFAULT 0,
    ADD COLUMN attempts_before integer NOT NULL DEFAULT 0; -- the last replay: the schedule began again then

CREATE INDEX webhooks_failed ON webhooks (endpoint_id, ended_at) WHERE status = 'failed' AND endpoint_id IS NOT NULL;

CREATE TABLE webhook_replays (
    replay_id   uuid        PRIMARY KEY,
    endpoint_id uuid        NOT NULL,
    since       timestamptz NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now()
);
