-- Accounts that a tenant publishes to, uploads that are to be published, and what became of that.

CREATE TABLE accounts (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL REFERENCES tenants,
    kind            text        NOT NULL CHECK (kind IN ('s3', 'http', 'directory', 'youtube', 'webhook')),
    name            text        NOT NULL,
    settings_sealed text        NOT NULL, -- contracts.account; empty once the account is unlinked
    settings_shown  jsonb       NOT NULL, -- the same without credentials
    quota_limit     integer     CHECK (quota_limit >= 0), -- publications; null: any number
    quota_charged   bigint      NOT NULL DEFAULT 0, -- those reserved or settled, before `quota_changes`
    revision        integer     NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    unlinked_at     timestamptz
) WITH (fillfactor = 50);

CREATE INDEX accounts_newest ON accounts (tenant_id, created_at, id);

-- Units to be taken off `quota_charged`; whoever reserves next folds them in. Only appended to, so that handlers that release
-- units of several accounts never wait for each other.
CREATE TABLE quota_changes (
    id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid    NOT NULL,
    released   integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE INDEX quota_changes_account ON quota_changes (account_id);

-- An upload that is to be published: open while its bytes may come, a record of the tenant's history once it is completed.
CREATE TABLE submissions (
    upload_id    uuid        PRIMARY KEY,
    tenant_id    uuid        NOT NULL,
    token_hash   bytea       UNIQUE CHECK (length(token_hash) = 32), -- null: it needed no session
    part_bytes   bigint,     -- of a multipart upload
    state        text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'completed', 'aborted', 'expired')),
    expires_at   timestamptz NOT NULL,
    completed_at timestamptz,
    CHECK ((completed_at IS NOT NULL) = (state = 'completed'))
);

CREATE INDEX submissions_open ON submissions (expires_at) WHERE state = 'open';
CREATE INDEX submissions_newest ON submissions (tenant_id, completed_at, upload_id) WHERE completed_at IS NOT NULL;

CREATE TABLE publications (
    id              uuid        PRIMARY KEY, -- contracts.ids.publication_id
    upload_id       uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    account_id      uuid        NOT NULL REFERENCES accounts,
    position        smallint    NOT NULL, -- in the client's list of accounts
    due_at          timestamptz, -- null: at once
    quota           text        NOT NULL DEFAULT 'reserved' CHECK (quota IN ('reserved', 'settled', 'released')),
    status          text        NOT NULL DEFAULT 'scheduled'
                    CHECK (status IN ('scheduled', 'dispatching', 'retrying', 'published', 'failed')),
    sequence        integer     NOT NULL DEFAULT 0, -- of the newest PublicationChanged; 0: none so far
    external_id     text,
    error_code      text,
    error_message   text,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    changed_at      timestamptz NOT NULL,
    UNIQUE (upload_id, account_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX publications_reserved ON publications (account_id) WHERE quota = 'reserved';
CREATE INDEX publications_account ON publications (account_id, upload_id);
