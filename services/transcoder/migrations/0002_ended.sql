-- What was removed and is cleaned: to be forgotten after a while.
CREATE INDEX job_ended ON job (changed_at) WHERE state = 'removed' AND clean_at IS NULL;
