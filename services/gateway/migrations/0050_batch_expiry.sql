-- Upload ids are forgotten a while after their end.
CREATE INDEX batches_expiry ON batches (expires_at);
