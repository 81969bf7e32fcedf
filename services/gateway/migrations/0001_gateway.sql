-- Tenants and their keys, folders, and what every event so far says about each upload.
-- Rows of `uploads` have no foreign key to `tenants`: its row lock would be taken by every registration.

CREATE TABLE tenants (
    id                    uuid        PRIMARY KEY,
    name                  text        NOT NULL,
    org                   text        NOT NULL UNIQUE CHECK (org LIKE 'org-%'),
    client_id             text        NOT NULL UNIQUE CHECK (client_id ~ '^c[a-z0-9]{11,31}$'),
    storage_blocked_at    timestamptz,
    revision              integer     NOT NULL DEFAULT 1,
    webhook_secret_sealed text        NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    key_hash   bytea       PRIMARY KEY CHECK (length(key_hash) = 32),
    tenant_id  uuid        NOT NULL REFERENCES tenants,
    role       text        NOT NULL CHECK (role IN ('viewer', 'render', 'editor', 'manager', 'admin')),
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- Folders that were created by name; a folder also exists while a live file lies in or below it.
CREATE TABLE folders (
    tenant_id  uuid        NOT NULL,
    path       text        COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, path)
);

CREATE TABLE uploads (
    id                    uuid        PRIMARY KEY,
    tenant_id             uuid        NOT NULL,
    dialect               text        NOT NULL,
    state                 text        COLLATE "C" NOT NULL DEFAULT 'REGISTERED',
    version               smallint    NOT NULL DEFAULT 1,
    folder                text        COLLATE "C" NOT NULL DEFAULT '',
    name                  text        COLLATE "C",
    holds_name            boolean     NOT NULL DEFAULT false,
    temporary             boolean     NOT NULL DEFAULT false,
    declared_size_bytes   bigint,
    declared_content_type text,
    view                  jsonb       NOT NULL DEFAULT '{}',
    staging_key           text        NOT NULL,
    object_key            text        NOT NULL,
    size_bytes            bigint,
    etag                  text,
    content_type          text,
    mime_type             text,
    image                 jsonb,
    media                 jsonb,
    renditions            jsonb       NOT NULL DEFAULT '[]',
    progress_percent      smallint    NOT NULL DEFAULT 0,
    error_code            text,
    error_message         text,
    url_expires_at        timestamptz NOT NULL,
    deadline_at           timestamptz NOT NULL,
    file_expires_at       timestamptz,
    retention_revision    integer     NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    stored_at             timestamptz,
    completed_at          timestamptz,
    deleted_at            timestamptz,
    -- What the upload adds to its tenant's storage: verified, kept, not temporary, still there.
    counted_bytes         bigint      NOT NULL GENERATED ALWAYS AS (
        CASE WHEN holds_name AND NOT temporary AND completed_at IS NOT NULL THEN size_bytes ELSE 0 END
    ) STORED
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02);

-- One live file per name; also the order of a folder's listing.
CREATE UNIQUE INDEX uploads_live_name ON uploads (tenant_id, folder, name) WHERE holds_name;

CREATE TABLE upload_events (
    upload_id   uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    version     smallint    NOT NULL,
    occurred_at timestamptz NOT NULL,
    summary     jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (upload_id, event_id)
);

CREATE TABLE deliveries (
    delivery_id     uuid        PRIMARY KEY,
    upload_id       uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    kind            text        NOT NULL,
    target          text        NOT NULL,
    status          text        NOT NULL,
    attempts        integer     NOT NULL,
    response_status integer,
    error           text,
    next_attempt_at timestamptz,
    changed_at      timestamptz NOT NULL
);

CREATE INDEX deliveries_upload ON deliveries (upload_id);

-- Bytes in use = storage_usage + the changes not folded into it yet: exact at any moment, and no row that all uploads fight for.
CREATE TABLE storage_usage (
    tenant_id  uuid   PRIMARY KEY,
    used_bytes bigint NOT NULL
);

CREATE TABLE storage_changes (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    uuid   NOT NULL,
    change_bytes bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE INDEX storage_changes_tenant ON storage_changes (tenant_id);

CREATE FUNCTION note_storage_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storage_changes (tenant_id, change_bytes) VALUES (NEW.tenant_id, NEW.counted_bytes - OLD.counted_bytes);
    RETURN NULL;
END $$;

CREATE TRIGGER uploads_storage_change AFTER UPDATE ON uploads
    FOR EACH ROW WHEN (OLD.counted_bytes <> NEW.counted_bytes) EXECUTE FUNCTION note_storage_change();
