-- What the broker has confirmed, kept for the time in which it is published again (`libs/outbox/resend.py`). Written, read and
-- deleted in the order of its key, and never changed.

CREATE TABLE sent_events (
    sent_at  timestamptz NOT NULL DEFAULT now(),
    event_id uuid        NOT NULL,
    envelope text        NOT NULL,
    PRIMARY KEY (sent_at, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- How far each round came: the key of the last event that it published again.
CREATE TABLE sent_rounds (
    delay_seconds integer     PRIMARY KEY,
    sent_at       timestamptz NOT NULL DEFAULT 'epoch',
    event_id      uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
