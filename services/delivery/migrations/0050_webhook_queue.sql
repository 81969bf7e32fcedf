-- Due webhooks lie in queues, one for each tenant and receiver; what is not due yet, and what a process has claimed, waits.
-- A webhook is in one of the two indexes at a time, so that neither shows what cannot be claimed.

ALTER TABLE webhooks ADD COLUMN ready boolean NOT NULL DEFAULT false; -- due; what was there before becomes so when it is claimed
ALTER TABLE webhooks ALTER COLUMN ready SET DEFAULT true;

CREATE INDEX webhooks_ready ON webhooks (tenant_id, receiver, next_attempt_at) WHERE ready AND next_attempt_at IS NOT NULL;
CREATE INDEX webhooks_waiting ON webhooks (next_attempt_at) WHERE NOT ready AND next_attempt_at IS NOT NULL;
DROP INDEX webhooks_due;
