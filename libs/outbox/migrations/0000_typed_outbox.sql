-- The type of each event beside its envelope, so that it is carried to the bus without being read.

ALTER TABLE outbox ADD COLUMN event_type text;
UPDATE outbox SET event_type = envelope::json ->> 'type';
ALTER TABLE outbox ALTER COLUMN event_type SET NOT NULL;

ALTER TABLE sent_events ADD COLUMN event_type text;
UPDATE sent_events SET event_type = envelope::json ->> 'type';
ALTER TABLE sent_events ALTER COLUMN event_type SET NOT NULL;
