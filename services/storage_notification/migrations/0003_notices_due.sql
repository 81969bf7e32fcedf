-- Keys to look at are claimed by the time that they are due.
CREATE INDEX notices_due ON notices (due_at);
