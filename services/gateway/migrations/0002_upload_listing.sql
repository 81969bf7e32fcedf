-- The order of a tenant's uploads, newest first, for `GET /platform/v1/uploads`.
CREATE INDEX uploads_newest ON uploads (tenant_id, created_at, id);
