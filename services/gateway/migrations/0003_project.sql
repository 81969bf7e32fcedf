-- Projects of the Uploadcare API, their groups and webhooks, and what files have that belong to one.

CREATE TABLE operator_tokens (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE projects (
    id                  uuid        PRIMARY KEY,
    tenant_id           uuid        NOT NULL REFERENCES tenants,
    name                text        NOT NULL,
    public_key          text        COLLATE "C" NOT NULL UNIQUE,
    secret_sealed       text        NOT NULL,
    signed_uploads      boolean     NOT NULL,
    auto_store          boolean     NOT NULL,
    max_file_size_bytes bigint      NOT NULL CHECK (max_file_size_bytes > 0),
    rate_requests       integer     CHECK (rate_requests > 0),
    rate_per_seconds    double precision CHECK (rate_per_seconds > 0),
    allowed_types       text[]      NOT NULL,
    forbidden_types     text[]      NOT NULL,
    allowed_origins     text[]      NOT NULL,
    status              text        NOT NULL CHECK (status IN ('active', 'blocked', 'unpaid', 'over_limits', 'removed')),
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CHECK ((rate_requests IS NULL) = (rate_per_seconds IS NULL))
);

CREATE INDEX projects_newest ON projects (created_at, id);

-- When a project's token bucket is full again: one row that all replicas share. Losing it costs nothing but one burst.
CREATE UNLOGGED TABLE throttles (
    project_id uuid        PRIMARY KEY,
    full_at    timestamptz NOT NULL
) WITH (fillfactor = 50);

ALTER TABLE uploads
    ADD COLUMN project_id        uuid,
    ADD COLUMN kept_at           timestamptz, -- when the file was marked to be kept
    ADD COLUMN metadata          jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN multipart_id      text,
    ADD COLUMN fetched_bytes     bigint,
    ADD COLUMN fetch_total_bytes bigint,
    ADD COLUMN saved_url_hash    bytea, -- of the source, where it may be found again by it
    ADD COLUMN fetch_token       uuid, -- by which the client asks how its fetch is getting on
    ADD COLUMN finished_at       timestamptz; -- when the client said that it sent every part

CREATE INDEX uploads_project ON uploads (project_id, created_at, id) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX uploads_fetch_token ON uploads (fetch_token) WHERE fetch_token IS NOT NULL;
CREATE INDEX uploads_saved_url ON uploads (project_id, saved_url_hash, created_at) WHERE saved_url_hash IS NOT NULL;

-- How many files were uploaded with an access token that allows only so many.
CREATE TABLE access_tokens (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    uses       integer     NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX access_tokens_expired ON access_tokens (expires_at);

CREATE TABLE groups (
    id         uuid        PRIMARY KEY,
    project_id uuid        NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX groups_project ON groups (project_id, created_at, id);

CREATE TABLE group_files (
    group_id  uuid     NOT NULL REFERENCES groups ON DELETE CASCADE,
    position  smallint NOT NULL,
    upload_id uuid     NOT NULL,
    effects   text     NOT NULL DEFAULT '', -- image operations as given, e.g. `resize/x800/`
    PRIMARY KEY (group_id, position)
);

CREATE TABLE project_webhooks (
    id                    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id            uuid        NOT NULL,
    event                 text        NOT NULL,
    target_url            text        NOT NULL,
    signing_secret_sealed text,
    is_active             boolean     NOT NULL DEFAULT true,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, event, target_url)
);
