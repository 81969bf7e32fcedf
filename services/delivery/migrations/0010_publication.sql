-- Accounts as the gateway configured them; what is known of each upload's file; one row per upload and account.

CREATE TABLE accounts (
    account_id      uuid    PRIMARY KEY,
    tenant_id       uuid    NOT NULL,
    revision        integer NOT NULL,
    kind            text    NOT NULL,
    name            text    NOT NULL,
    sealed_settings text    NOT NULL, -- contracts.account; empty once the account is removed
    removed         boolean NOT NULL,
    failures        integer NOT NULL DEFAULT 0 -- attempts in a row that its destination did not answer
);

CREATE TABLE files (
    upload_id       uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    stored          text,       -- contracts.events.StoredObject
    file_name       text,
    missing         text,       -- code: there is no file, and never will be
    missing_message text,
    updated_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX files_old ON files (updated_at);

CREATE TABLE publications (
    id            uuid        PRIMARY KEY,
    upload_id     uuid        NOT NULL,
    tenant_id     uuid        NOT NULL,
    account_id    uuid        NOT NULL,
    request       text        NOT NULL, -- the message PublicationRequested
    due_at        timestamptz NOT NULL,
    status        text        NOT NULL DEFAULT 'scheduled'
                  CHECK (status IN ('scheduled', 'dispatching', 'retrying', 'published', 'failed')),
    sequence      integer     NOT NULL DEFAULT 1, -- of the last event about it
    attempts      integer     NOT NULL DEFAULT 0, -- that ended, well or not
    losses        integer     NOT NULL DEFAULT 0, -- claims in a row that did not end in order, the present one included
    store_errors  integer     NOT NULL DEFAULT 0, -- of our own store, in a row
    next_at       timestamptz, -- may be claimed from then on; while leased, the end of the lease; null without a file, and at the end
    lease         uuid,
    sealed_state  text,       -- what the connector wants to know after a cut
    external_id   text,
    error_code    text,
    error_message text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    CHECK ((ended_at IS NOT NULL) = (status IN ('published', 'failed'))),
    CHECK (ended_at IS NULL OR (next_at IS NULL AND lease IS NULL AND sealed_state IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX publications_due ON publications (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX publications_leased ON publications (account_id) WHERE lease IS NOT NULL;
CREATE INDEX publications_open ON publications (account_id) WHERE ended_at IS NULL;
CREATE INDEX publications_upload ON publications (upload_id);
CREATE INDEX publications_ended ON publications (ended_at) WHERE ended_at IS NOT NULL;
