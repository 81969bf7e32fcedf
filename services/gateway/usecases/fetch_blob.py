"""A file that lies in a linked container becomes an upload: registered, and asked for in the same commit (M-06)."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from contracts.ids import TenantId, UploadId, new_upload_id
from libs.file_name.name import clean_name
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.container import ContainerId, LinkedContainer
from services.gateway.domain.content_type import UNDECLARED
from services.gateway.domain.error import ContainerNotFoundError, InvalidFieldError
from services.gateway.domain.registration import Registration, Source
from services.gateway.domain.source_name import safe_extension
from services.gateway.store import ContainerStore
from services.gateway.usecases.register import Registrar

MAX_KEY_BYTES: Final = 1024
"""That of S3 and of Azure."""
FETCHED_WITHIN: Final = timedelta(days=1)
"""Then an upload whose bytes nobody could bring expires."""

_SEPARATORS: Final = re.compile(r"[/\\]")


@dataclass(frozen=True)
class Blob:
    """What the client asks for."""

    tenant_id: TenantId
    container_id: UUID
    key: str
    """Of the object, as its store spells it."""
    max_size_bytes: int
    name: str | None = None
    """What the file shall be called; the key's last segment where it is not said."""
    folder: str = ""
    transcode: bool = True
    file_expires_at: datetime | None = None
    view: dict[str, Any] = field(default_factory=dict)


async def fetch_blob(outbox: Outbox, registrar: Registrar, blob: Blob, now: datetime) -> UploadId:
    """Returns when it is durable; what becomes of it is told by events, like of every fetch.

    Raises ContainerNotFoundError (also for another tenant's) and InvalidFieldError, and what `Registrar.register` does.
    """
    key = _checked(blob.key)
    container = await _container(outbox, blob)
    key_name = clean_name(key.rstrip("/"))
    new = Registration(
        id=new_upload_id(),
        tenant_id=blob.tenant_id,
        dialect="medialab",
        registered_at=now,
        url_expires_at=now,
        deadline_at=now + FETCHED_WITHIN,
        file_expires_at=blob.file_expires_at,
        content_type=UNDECLARED,
        max_size_bytes=blob.max_size_bytes,
        transfer="fetched",
        source=Source(blob_url(container, key), container_sealed=container.settings_sealed),
        folder=blob.folder,
        name=blob.name or key_name,
        extension=safe_extension(key_name or ""),
        transcode=blob.transcode,
        view=blob.view,
    )
    await registrar.register(new)
    return new.id


def blob_url(container: LinkedContainer, key: str) -> str:
    """`blob:<container id>/<key>`, the key percent-encoded."""
    return f"blob:{container.id}/{quote(key, safe='/')}"


async def _container(outbox: Outbox, blob: Blob) -> LinkedContainer:
    async with outbox.database.connection() as connection:
        container = await ContainerStore(connection).find(ContainerId(blob.container_id))
    if container is None or container.tenant_id != blob.tenant_id:
        raise ContainerNotFoundError
    return container


def _checked(key: str) -> str:
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidFieldError("key", "The key is not text.") from None
    if not 0 < size_bytes <= MAX_KEY_BYTES or "\0" in key:
        raise InvalidFieldError("key", f"The key has 1 to {MAX_KEY_BYTES} bytes and no NUL.")
    if {".", ".."} & set(_SEPARATORS.split(key)):  # a server may resolve them, which leads out of the container
        raise InvalidFieldError("key", "The key has no segments `.` and `..`.")
    return key
