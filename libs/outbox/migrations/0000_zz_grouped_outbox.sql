-- The events that a transaction emits share rows: their envelopes, which say much the same, are compressed together, and whoever
-- publishes them marks a row instead of an event. What was sent stays in its row for a while (`libs/outbox/resend.py`).

ALTER TABLE outbox RENAME TO outbox_single;
ALTER TABLE outbox_single RENAME CONSTRAINT outbox_pkey TO outbox_single_pkey;
ALTER SEQUENCE outbox_id_seq RENAME TO outbox_single_id_seq;
DROP INDEX outbox_due;

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_ids   uuid[]      NOT NULL,
    event_types text[]      NOT NULL,
    envelopes   text[]      NOT NULL,
    event_count integer     NOT NULL GENERATED ALWAYS AS (cardinality(event_ids)) STORED,
    created_at  timestamptz NOT NULL DEFAULT now(),
    next_at     timestamptz NOT NULL DEFAULT now(),
    attempts    integer     NOT NULL DEFAULT 0,
    last_error  text,
    sent_at     timestamptz, -- null: it waits
    CHECK (cardinality(event_types) = cardinality(event_ids) AND cardinality(envelopes) = cardinality(event_ids))
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX outbox_due ON outbox (next_at, id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at, id) WHERE sent_at IS NOT NULL;

-- The faster compression, where this server was built with it.
DO $$ BEGIN
    ALTER TABLE outbox ALTER COLUMN envelopes SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;
END $$;

INSERT INTO outbox (event_ids, event_types, envelopes, created_at, sent_at)
SELECT ARRAY[event_id], ARRAY[event_type], ARRAY[envelope], sent_at, sent_at FROM sent_events ORDER BY sent_at, event_id;
INSERT INTO outbox (event_ids, event_types, envelopes, created_at, next_at, attempts, last_error)
SELECT ARRAY[event_id], ARRAY[event_type], ARRAY[envelope], created_at, next_at, attempts, last_error
FROM outbox_single ORDER BY id;

DROP TABLE outbox_single, sent_events;

-- A pass that was under way begins again.
ALTER TABLE broker_generation DROP COLUMN event_id, DROP COLUMN sent_at,
    ADD COLUMN sent_at timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN row_id  bigint      NOT NULL DEFAULT 0;
