-- Messages that this service could not handle, where the bus itself keeps none (in-process).

CREATE TABLE dead_letters (
    event_id uuid        PRIMARY KEY,
    envelope text        NOT NULL,
    attempts integer     NOT NULL,
    reason   text        NOT NULL,
    died_at  timestamptz NOT NULL DEFAULT now()
);
