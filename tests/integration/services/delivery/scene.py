"""Events, receivers and a sender for the tests beside this file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier

from contracts.envelope import Envelope
from contracts.events import (
    Callback,
    Constraints,
    Event,
    ProcessingCompleted,
    Rendition,
    Stage,
    StoredObject,
    TenantConfigured,
    UploadCompleted,
    UploadRegistered,
)
from contracts.ids import TenantId, UploadId
from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox, new_key
from services.delivery.adapters.receiver import Receivers
from services.delivery.domain.schedule import Schedule
from services.delivery.handlers import HANDLERS
from services.delivery.jobs import Sender

TENANT = TenantId(UUID("11111111-1111-4111-8111-111111111111"))
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LXRlbmFudC0zMi1ieXRlcw=="
BOX = SecretBox(new_key())
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def configured(revision: int = 1, secret: str = SECRET) -> TenantConfigured:
    return TenantConfigured(tenant_id=TENANT, revision=revision, name="acme", webhook_secret_encrypted=BOX.seal(secret))


def registered(upload_id: UploadId, url: str | None) -> UploadRegistered:
    view = {
        "id": str(upload_id),
        "public_url": f"https://uploads.test/public/{upload_id}.jpg",
        "expires_at": "2026-12-21T12:00:00Z",
        "owner": "org-acme",
        "uploader": "ada",
        "file_type": "image",
        "content_type": "image/png",
        "created_at": "2026-11-21T11:59:00Z",
        "renditions_url": f"https://uploads.test/renditions/{upload_id}/",
    }
    return UploadRegistered(
        upload_id=upload_id,
        tenant_id=TENANT,
        version=Stage.REGISTERED,
        dialect="eachlabs",
        staging_key=f"staging/{upload_id}/token",
        object_key=f"files/{upload_id}/original.jpg",
        constraints=Constraints(max_size_bytes=10_000),
        registered_at=NOW,
        url_expires_at=NOW + timedelta(minutes=15),
        deadline_at=NOW + timedelta(minutes=30),
        callback=Callback(url=url, format="eachlabs", view=view) if url else None,
    )


def completed(upload_id: UploadId) -> UploadCompleted:
    stored = StoredObject(key=f"files/{upload_id}/original.jpg", size_bytes=1234, etag="e", stored_at=NOW)
    return UploadCompleted(upload_id=upload_id, tenant_id=TENANT, version=Stage.CLOSED, object=stored, completed_at=NOW)


def processed(upload_id: UploadId) -> ProcessingCompleted:
    thumbnail = Rendition(
        name="thumbnail.jpg",
        kind="thumbnail",
        key=f"files/{upload_id}/renditions/thumbnail.jpg",
        content_type="image/jpeg",
        size_bytes=99,
        width=320,
        height=200,
    )
    return ProcessingCompleted(
        upload_id=upload_id,
        tenant_id=TENANT,
        version=Stage.PROCESSED,
        mime_type="image/jpeg",
        renditions=(thumbnail,),
        completed_at=NOW,
    )


def ready(upload_id: UploadId, url: str | None) -> list[Event]:
    return [registered(upload_id, url), completed(upload_id), processed(upload_id)]


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    def verify(self, secret: str = SECRET) -> Any:
        return Verifier(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """A real HTTP server; `answers` are given one after the other, the last one for ever."""

    answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]]
    received: list[Received] = field(default_factory=list)
    url: str = ""
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(Received({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        async with self.arrived:
            self.arrived.notify_all()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    async def has_received(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)


def status(code: int, **headers: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="thank you", headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


@asynccontextmanager
async def receiver(*answers: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Receiver]:
    served = Receiver(list(answers) or [status(200)])
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", served.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=private"
    try:
        yield served
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_receiver(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that says whatever `talk` writes after the head of the request was read; yields its url."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


async def happen(outbox: Outbox, events: Sequence[Event]) -> None:
    """The events reach delivery as the bus would bring them, one after the other."""
    for event in events:
        await happen_together(outbox, [event])


async def happen_together(outbox: Outbox, events: Sequence[Event]) -> None:
    """The events reach delivery in one batch."""
    envelopes = [
        Envelope.of(event, source="test", correlation_id="4bf92f3577b34da6a3ce929d0e0e4736", traceparent=TRACEPARENT)
        for event in events
    ]
    outcomes = await consumer(outbox, HANDLERS)([Delivery(envelope) for envelope in envelopes])
    assert list(outcomes) == [None] * len(events)


@asynccontextmanager
async def sender(
    outbox: Outbox,
    *,
    seconds: tuple[float, ...] = (0, 0, 0),
    allow: str = "127.0.0.0/8",
    timeout_seconds: float = 5,
    concurrency: int = 64,
    lease_seconds: float = 60,
    poll_seconds: float = 0.02,
    drain_seconds: float = 3,
    patience: timedelta = timedelta(days=5),
) -> AsyncIterator[Sender]:
    client = GuardedClient(Policy(parse_networks(allow)), timeout_seconds=timeout_seconds)
    await client.open()
    try:
        yield Sender(
            outbox,
            Receivers(client, BOX),
            Schedule(seconds),
            concurrency=concurrency,
            receiver_concurrency=4,
            lease_seconds=lease_seconds,
            poll_seconds=poll_seconds,
            failure_window=patience,
            drain_seconds=drain_seconds,
        )
    finally:
        await client.close()


@asynccontextmanager
async def running(loop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(loop())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def rows(outbox: Outbox, query: str, *values: object) -> list[dict[str, Any]]:
    async with outbox.database.connection() as connection:
        return [dict(row) for row in await connection.fetch(query, *values)]


async def webhook(outbox: Outbox, upload_id: UploadId) -> dict[str, Any]:
    (row,) = await rows(outbox, "SELECT * FROM webhooks WHERE upload_id = $1", upload_id)
    return row


async def attempts(outbox: Outbox, upload_id: UploadId) -> list[dict[str, Any]]:
    return await rows(
        outbox,
        "SELECT a.* FROM webhook_attempts a JOIN webhooks w ON w.id = a.webhook_id WHERE w.upload_id = $1 ORDER BY attempt",
        upload_id,
    )


async def said(outbox: Outbox) -> list[Envelope]:
    """Every event that waits in the outbox."""
    return [
        Envelope.model_validate_json(row["envelope"])
        for row in await rows(outbox, "SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
    ]


def an_upload() -> UploadId:
    return UploadId(uuid4())
