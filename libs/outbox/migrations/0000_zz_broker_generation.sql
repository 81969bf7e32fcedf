-- Of which generation of the broker's data this service knows, and how far it came with publishing again what an older one held
-- (`libs/outbox/resend.py`).

DROP TABLE sent_rounds;

CREATE TABLE broker_generation (
    is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    known      text,                 -- everything that was sent is in the broker, or was handled
    found      text,                 -- another one that was found since
    found_at   timestamptz,
    passes     integer NOT NULL DEFAULT 0,  -- over what was sent before `found_at`
    sent_at    timestamptz NOT NULL DEFAULT 'epoch',
    event_id   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
