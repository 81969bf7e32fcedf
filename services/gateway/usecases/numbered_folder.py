"""Creates folders under names of any characters; their paths keep to what all APIs can say."""

import re
from typing import Final

from contracts.ids import TenantId
from libs.file_name.name import without_invisible
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.error import FolderNotFoundError, InvalidFieldError
from services.gateway.domain.name import MAX_FOLDER_LENGTH, MAX_NAME_LENGTH, TEMPORARY_FOLDER
from services.gateway.store import NumberedFolderStore
from services.gateway.store.numbered_folder import NumberedFolder

MAX_ALIKE: Final = 1000
"""Folders of one parent whose names differ only in characters that a path cannot hold."""

_NOT_IN_PATH = re.compile(r"[^a-zA-Z0-9_-]")


async def create_numbered_folder(work: UnitOfWork, tenant_id: TenantId, parent: int, title: str) -> NumberedFolder:
    """The one of that name in `parent`, made where there is none. Raises FolderNotFoundError or InvalidFieldError."""
    title = title.strip()
    if not 0 < len(title) <= MAX_NAME_LENGTH or title != without_invisible(title):
        message = f"name must have 1 to {MAX_NAME_LENGTH} characters, without control characters and marks of text direction"
        raise InvalidFieldError("name", message)
    store = NumberedFolderStore(work.connection)
    above = await store.find(tenant_id, parent)
    if above is None:
        raise FolderNotFoundError
    for path in _paths(above.path, title):
        if path == TEMPORARY_FOLDER:  # what lies there is deleted after a day
            continue
        if len(path) > MAX_FOLDER_LENGTH:
            raise InvalidFieldError("name", f"The path of a folder may have at most {MAX_FOLDER_LENGTH} characters")
        if (created := await store.create(tenant_id, path, title)) is not None:
            return created
        [taken] = await store.numbered(tenant_id, [path])
        if taken.title == title:
            return taken
    raise InvalidFieldError("name", "Too many folders have a name like this")


def _paths(parent: str, title: str) -> list[str]:
    """`Été` → `_t_`, `_t__2`, `_t__3` …"""
    segment = _NOT_IN_PATH.sub("_", title)
    names = [segment, *(f"{segment}_{number}" for number in range(2, MAX_ALIKE + 1))]
    return [f"{parent}/{name}".lstrip("/") for name in names]
