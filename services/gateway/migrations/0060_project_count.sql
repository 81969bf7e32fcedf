-- How many files and groups a project has, of each kind that lists tell: exact at any moment, without counting its files, and
-- without a row that all uploads fight for. Totals = project_counts + the changes that are not folded into them yet.

CREATE TABLE project_counts (
    project_id uuid   NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('removed', 'stored', 'unstored', 'group')),
    count      bigint NOT NULL,
    PRIMARY KEY (project_id, kind)
) WITH (fillfactor = 50);

CREATE TABLE project_count_changes (
    id         bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id uuid     NOT NULL,
    kind       text     NOT NULL,
    change     smallint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);

CREATE INDEX project_count_changes_project ON project_count_changes (project_id);

-- Null: it is in no list, for it was not verified.
CREATE FUNCTION file_kind(upload uploads) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN upload.project_id IS NULL OR upload.completed_at IS NULL THEN NULL
                WHEN upload.deleted_at IS NOT NULL OR upload.state IN ('DELETED', 'FILE_EXPIRED') THEN 'removed'
                WHEN upload.kept_at IS NOT NULL THEN 'stored'
                ELSE 'unstored' END
$$;

CREATE FUNCTION note_file_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_count_changes (project_id, kind, change)
    SELECT project_id, kind, change
    FROM (VALUES (OLD.project_id, file_kind(OLD), -1), (NEW.project_id, file_kind(NEW), 1)) AS step (project_id, kind, change)
    WHERE kind IS NOT NULL AND file_kind(OLD) IS DISTINCT FROM file_kind(NEW);
    RETURN NULL;
END $$;

CREATE TRIGGER uploads_file_inserted AFTER INSERT ON uploads
    FOR EACH ROW WHEN (NEW.project_id IS NOT NULL AND NEW.completed_at IS NOT NULL) EXECUTE FUNCTION note_file_counts();
CREATE TRIGGER uploads_file_changed AFTER UPDATE ON uploads
    FOR EACH ROW WHEN (NEW.project_id IS NOT NULL AND (
        OLD.completed_at IS DISTINCT FROM NEW.completed_at OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at
        OR OLD.state <> NEW.state OR OLD.kept_at IS DISTINCT FROM NEW.kept_at))
    EXECUTE FUNCTION note_file_counts();
CREATE TRIGGER uploads_file_deleted AFTER DELETE ON uploads
    FOR EACH ROW WHEN (OLD.project_id IS NOT NULL AND OLD.completed_at IS NOT NULL) EXECUTE FUNCTION note_file_counts();

CREATE FUNCTION note_group_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO project_count_changes (project_id, kind, change)
    VALUES (coalesce(NEW.project_id, OLD.project_id), 'group', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END);
    RETURN NULL;
END $$;

CREATE TRIGGER groups_count AFTER INSERT OR DELETE ON groups FOR EACH ROW EXECUTE FUNCTION note_group_counts();

-- Nobody writes meanwhile: making a trigger keeps the table's lock until the commit.
INSERT INTO project_counts (project_id, kind, count)
SELECT project_id, file_kind(uploads), count(*) FROM uploads WHERE file_kind(uploads) IS NOT NULL GROUP BY 1, 2
UNION ALL
SELECT project_id, 'group', count(*) FROM groups GROUP BY 1;
