"""Moves the objects of a data directory that an earlier version has written to where this one looks for them.

That version had a folder `objects/<key>/` for each object, with `.data-<random>` (the content) and `.meta.json` (what is known,
and which data file counts). At the first start each content becomes a blob, without being copied. A process that is killed
meanwhile goes on at its next start: an object leaves its old folder only when it is durable in its new place.
"""

import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import structlog

from libs.object_store.disk_change import NewFile
from libs.object_store.disk_files import INTENTION, DiskFiles
from libs.object_store.disk_record import ObjectRecord, new_blob_name
from libs.object_store.durable import sync_everything

log = structlog.get_logger()

OLD = "objects"
BATCH = 5000
"""Objects that are made durable together."""
_META = ".meta.json"


def migrate(files: DiskFiles) -> None:
    """Does nothing where there is no old folder. Blocking, and before anything else uses `files`."""
    old = files.root / OLD
    if not old.exists():
        return
    log.info("object_store.migration_started", folder=str(old))
    count, found = 0, _objects_below(old)
    while batch := list(islice(found, BATCH)):
        for folder in batch:
            _move(files, folder)
        sync_everything()
        for folder in batch:
            for path in folder.glob(".*"):
                path.unlink()
        count += len(batch)
        log.info("object_store.objects_migrated", count=count)
    shutil.rmtree(old)
    log.info("object_store.migration_finished", count=count)


def _objects_below(old: Path) -> Iterator[Path]:
    """The folders of objects; what else lies there is what a crash has left."""
    for folder, _folders, names in os.walk(old):
        if _META in names:
            yield Path(folder)


def _move(files: DiskFiles, folder: Path) -> None:
    meta: dict[str, Any] = orjson.loads((folder / _META).read_bytes())
    content = folder / meta.pop("data")
    record = ObjectRecord(**meta, blob=new_blob_name())
    known = files.record(record.key)
    if known and known.etag == record.etag:  # by an earlier start
        return
    new = NewFile(files.temporary(INTENTION))
    new.write(b"", record)
    new.close()
    files.link_file(str(content), files.blob(record.blob or ""))
    files.tree.put(new.path, files.tree.place(record.key), set())
