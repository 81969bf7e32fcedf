-- What ended and is cleaned: to be forgotten after a while.
CREATE INDEX sessions_ended ON sessions (changed_at)
    WHERE state IN ('rejected', 'aborted', 'expired', 'removed') AND cleanup_at IS NULL;
