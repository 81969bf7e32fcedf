"""A transcoder on a real database and the disk store, driven like the bus and the session service would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import av

from contracts.envelope import Envelope
from contracts.events import Event, FileDeleted, ProcessingCompleted, ProcessingFailed, Stage, StoredObject, UploadCompleted
from contracts.ids import TenantId, new_upload_id
from libs.object_store.disk import DiskStore
from libs.runtime.host import supervise
from libs.runtime.service import Service
from services.transcoder.app import build
from services.transcoder.settings import Settings
from tests.messages import handle

TENANT = TenantId(UUID("5f0c7dbb-6e8c-4b71-8c55-0d1d64f4a001"))
TRACE = "0af7651916cd43dd8448eb211c80319c"
PATIENCE_SECONDS = 60

E = TypeVar("E", bound=Event)
T = TypeVar("T")


class Rig:
    def __init__(self, service: Service, store: DiskStore, folder: Path) -> None:
        self.service = service
        self.store = store
        self.folder = folder

    async def put(self, content: bytes, content_type: str | None = None, *, transcode: bool = True) -> UploadCompleted:
        """Stores the bytes; the event that says so is not handled yet."""
        upload_id = new_upload_id()
        info = await self.store.write(
            f"files/{upload_id}/original", _chunks(content), content_type=content_type or "application/octet-stream"
        )
        stored = StoredObject(
            key=info.key, size_bytes=info.size_bytes, etag=info.etag, content_type=content_type, stored_at=datetime.now(UTC)
        )
        return UploadCompleted(
            upload_id=upload_id, tenant_id=TENANT, version=Stage.CLOSED, object=stored, transcode=transcode,
            completed_at=datetime.now(UTC),
        )  # fmt: skip

    async def handle(self, event: Event) -> None:
        await handle(self.service.outbox, self.service.handlers, event, correlation_id=TRACE, source="session")

    async def upload(self, content: bytes, content_type: str | None = None, *, transcode: bool = True) -> UploadCompleted:
        event = await self.put(content, content_type, transcode=transcode)
        await self.handle(event)
        return event

    async def delete(self, upload: UploadCompleted) -> None:
        await self.handle(FileDeleted(upload_id=upload.upload_id, tenant_id=TENANT, version=Stage.REMOVED))

    async def processed(self, content: bytes, content_type: str | None = None, *, transcode: bool = True) -> list[Event]:
        """Everything that was said about the file, once processing has ended."""
        return await self.ended(await self.upload(content, content_type, transcode=transcode))

    async def ended(self, upload: UploadCompleted) -> list[Event]:
        async def last() -> list[Event]:
            events = [envelope.event() for envelope in await self.envelopes(upload)]
            return events if any(isinstance(event, ProcessingCompleted | ProcessingFailed) for event in events) else []

        return await until(last)

    async def envelopes(self, upload: UploadCompleted) -> list[Envelope]:
        """What waits in the outbox about the upload; no relay takes it away.

        What is said again has the id that it had before, by which whoever hears it knows it: it stands here once.
        """
        async with self.service.outbox.database.connection() as connection:
            rows = await connection.fetch(
                """
                SELECT envelope FROM outbox, unnest(envelopes) WITH ORDINALITY AS emitted (envelope, place)
                WHERE envelope::jsonb ->> 'subject' = $1 ORDER BY id, place
                """,
                str(upload.upload_id),
            )
        known: dict[UUID, Envelope] = {}
        for envelope in (Envelope.model_validate_json(row["envelope"]) for row in rows):
            known.setdefault(envelope.id, envelope)
        return list(known.values())

    async def job(self, upload: UploadCompleted) -> dict[str, Any]:
        async with self.service.outbox.database.connection() as connection:
            return dict(await connection.fetchrow("SELECT * FROM job WHERE upload_id = $1", upload.upload_id) or {})

    async def keys(self, upload: UploadCompleted) -> list[str]:
        """Names of all renditions that lie in the store."""
        prefix = f"files/{upload.upload_id}/renditions/"
        return [found.key.removeprefix(prefix) async for page in self.store.list(prefix) for found in page]

    async def rendition(self, upload: UploadCompleted | UUID, name: str) -> Path:
        """A local copy."""
        upload_id = upload if isinstance(upload, UUID) else upload.upload_id
        path = self.folder / f"{uuid4().hex}-{Path(name).name}"
        await self.store.download(f"files/{upload_id}/renditions/{name}", path)
        return path


@asynccontextmanager
async def running(dsn: str, folder: Path, *, loops: bool = True, **settings: Any) -> AsyncIterator[Rig]:
    """A started transcoder; its store lies in `folder`, so that several can share it."""
    store = DiskStore(folder / "store", "http://127.0.0.1:1", "not a secret")
    given = {"postgres_dsn": dsn, "data_dir": folder, "transcoder_lease_seconds": 1.5, **settings}
    service = build(Settings.model_validate(given), store)
    await service.outbox.database.open()
    for resource in service.resources:
        await resource.open()
    tasks = [asyncio.create_task(supervise(name, loop)) for name, loop in service.loops.items()] if loops else []
    try:
        yield Rig(service, store, folder)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for resource in reversed(service.resources):
            await resource.close()
        await service.outbox.database.close()


async def until(condition: Callable[[], Awaitable[T]]) -> T:
    """What `condition` answers once that is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


def only(events: list[Event], wanted: type[E]) -> E:
    [found] = [event for event in events if isinstance(event, wanted)]
    return found


def probe(path: Path) -> tuple[str | None, tuple[int, int], str | None, float]:
    """Video codec, size, audio codec and seconds, as an independent reader sees them."""
    with av.open(str(path)) as container:
        video = next(iter(container.streams.video), None)
        audio = next(iter(container.streams.audio), None)
        return (
            video.codec_context.name if video else None,
            (video.codec_context.width, video.codec_context.height) if video else (0, 0),
            audio.codec_context.name if audio else None,
            (container.duration or 0) / av.time_base,
        )


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
