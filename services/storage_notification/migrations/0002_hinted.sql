-- It is said to be there already: known before the registration itself (`key` is NULL until then).
ALTER TABLE expected_objects ADD COLUMN hinted boolean NOT NULL DEFAULT false;
