-- Tenants take turns: a claim visits those that have fetches due.
DROP INDEX fetches_due;
CREATE INDEX fetches_due ON fetches (tenant_id, next_at) WHERE state = 'open';
