-- The timeline by the day on which its upload was registered, so that what is old is dropped and not deleted: ids that are ours
-- begin with their time. The first partitions; later ones are made by a job (`services/gateway/jobs.py`).

ALTER TABLE upload_events RENAME TO upload_events_earlier;
ALTER TABLE upload_events_earlier RENAME CONSTRAINT upload_events_pkey TO upload_events_earlier_pkey;

CREATE TABLE upload_events (
    upload_id   uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    type        text        NOT NULL,
    version     smallint    NOT NULL,
    occurred_at timestamptz NOT NULL,
    summary     jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (upload_id, event_id)
) PARTITION BY RANGE (upload_id);

CREATE TABLE upload_events_default PARTITION OF upload_events DEFAULT;

-- Earlier ids are random, and those of today begin with 01 until the year 2039. So nearly all earlier lines are above them: they
-- keep their table, and no partition that comes later has to be compared with them.
WITH moved AS (DELETE FROM upload_events_earlier WHERE upload_id < '02000000-0000-0000-0000-000000000000' RETURNING *)
INSERT INTO upload_events_default (upload_id, event_id, type, version, occurred_at, summary)
SELECT upload_id, event_id, type, version, occurred_at, summary FROM moved;

ALTER TABLE upload_events ATTACH PARTITION upload_events_earlier
    FOR VALUES FROM ('02000000-0000-0000-0000-000000000000') TO (MAXVALUE);

-- The smallest id of version 7 of a day (RFC 9562).
CREATE FUNCTION first_id_of(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

DO $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    FOR day IN 0..3 LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF upload_events FOR VALUES FROM (%L) TO (%L)',
            'upload_events_' || to_char(today + day, 'YYYYMMDD'), first_id_of(today + day), first_id_of(today + day + 1)
        );
    END LOOP;
EXCEPTION WHEN check_violation THEN NULL; -- some of these ids are there already: the job makes what comes later
END $$;

-- Whether a file belongs to a group: such a one is not purged.
CREATE INDEX group_files_upload ON group_files (upload_id);
