-- Tenants take turns. A row without an envelope, which is never claimed, has none.
ALTER TABLE job ADD COLUMN tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
UPDATE job SET tenant_id = (envelope::jsonb #>> '{data,tenant_id}')::uuid WHERE state = 'open';

DROP INDEX job_due;
CREATE INDEX job_due ON job (lane, tenant_id, next_at) WHERE state = 'open';
