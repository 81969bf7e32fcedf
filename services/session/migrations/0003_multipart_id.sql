-- The store's id of the open multipart upload under `staging_key`, which is aborted when the upload ends.
ALTER TABLE sessions ADD COLUMN multipart_id text;
