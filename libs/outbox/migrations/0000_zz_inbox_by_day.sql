-- The inbox by the day of receipt, so that what is old is dropped and not deleted. It belongs to one service, which is its only
-- consumer. The first partitions; later ones are made by a loop of the service (`libs/outbox/inbox.py`).

ALTER TABLE inbox RENAME TO inbox_whole;
ALTER TABLE inbox_whole RENAME CONSTRAINT inbox_pkey TO inbox_whole_pkey;

CREATE TABLE inbox (
    event_id    uuid NOT NULL,
    received_on date NOT NULL,
    PRIMARY KEY (event_id, received_on)
) PARTITION BY RANGE (received_on);

CREATE TABLE inbox_default PARTITION OF inbox DEFAULT;

DO $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    FOR day IN -2..3 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF inbox FOR VALUES FROM (%L) TO (%L)',
                       'inbox_' || to_char(today + day, 'YYYYMMDD'), today + day, today + day + 1);
    END LOOP;
    INSERT INTO inbox (event_id, received_on)
    SELECT event_id, (received_at AT TIME ZONE 'UTC')::date FROM inbox_whole
    WHERE received_at AT TIME ZONE 'UTC' >= today - 2
    ON CONFLICT DO NOTHING;
END $$;

DROP TABLE inbox_whole;
