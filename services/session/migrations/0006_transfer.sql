-- How the bytes come in: who fetches files is told when there is nothing to fetch any more.
ALTER TABLE sessions ADD COLUMN transfer text;
