-- Storage of others from which files are taken, and the places that are watched for files.

CREATE TABLE containers (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL REFERENCES tenants,
    kind            text        NOT NULL CHECK (kind IN ('s3', 'azure')),
    name            text        NOT NULL,
    place           text        NOT NULL, -- address and bucket, without credentials
    settings_sealed text        NOT NULL, -- JSON of contracts.container.Container
    created_at      timestamptz NOT NULL
);

CREATE INDEX containers_newest ON containers (created_at, id);

CREATE TABLE watch_folders (
    id           uuid        PRIMARY KEY,
    tenant_id    uuid        NOT NULL REFERENCES tenants,
    kind         text        NOT NULL CHECK (kind IN ('directory', 'bucket')),
    name         text        NOT NULL,
    path         text,       -- of a directory, below the root of all watch folders
    container_id uuid        REFERENCES containers, -- of a bucket, as is the prefix
    prefix       text,
    on_success   text        NOT NULL CHECK (on_success IN ('delete', 'move')),
    created_at   timestamptz NOT NULL,
    CHECK ((kind = 'directory') = (path IS NOT NULL)),
    CHECK ((kind = 'bucket') = (container_id IS NOT NULL AND prefix IS NOT NULL))
);

CREATE INDEX watch_folders_newest ON watch_folders (created_at, id);
CREATE INDEX watch_folders_container ON watch_folders (container_id) WHERE container_id IS NOT NULL;
