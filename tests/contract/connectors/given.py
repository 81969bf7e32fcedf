"""What connectors are given in tests: something to publish, and a place for their notes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.events import JsonObject
from contracts.ids import TenantId, new_upload_id, publication_id
from libs.object_store.disk import DiskStore
from services.delivery.publishing.connectors.port import Entry, File

MIB = 2**20
TYPE = "video/mp4"
TENANT = TenantId(UUID(int=2))


@dataclass
class Notes:
    """A checkpoint that a test can look into."""

    state: JsonObject | None = None
    saved: list[JsonObject] = field(default_factory=list)

    async def save(self, state: JsonObject) -> None:
        self.state = state
        self.saved.append(state)


async def stored(store: DiskStore, body: bytes) -> File:
    path = Path(store.files.root / "given")
    path.write_bytes(body)
    key = f"files/{uuid4()}/original.mp4"
    await store.write(key, path, content_type=TYPE)
    return File(store, key, len(body), TYPE)


def an_entry(file_name: str = "summer holiday.mp4", **changes: Any) -> Entry:
    upload_id = new_upload_id()
    given: dict[str, Any] = {
        "publication_id": publication_id(upload_id, UUID(int=1)),
        "upload_id": upload_id,
        "tenant_id": TENANT,
        "title": "Summer",
        "description": "At the sea",
        "tags": ("sea", "sun"),
        "file_name": file_name,
    }
    return Entry(**given | changes)
