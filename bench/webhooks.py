"""Webhooks: how soon a burst has its first attempts, and how fast a backlog drains. `python -m bench.webhooks`.

The delivery service runs in a process of its own, as it is built for production, on a PostgreSQL of its own; this process hands
it events and is all receivers. Printed: the time from the first event of a burst of 600 uploads to each first attempt, with one
good receiver, and with 200 others beside it that hang, drip, reset or answer 10 MB; then webhooks/s out of a backlog, with the
CPU of each process per webhook. Nobody relays what delivery emits: see `bench.chain` for that.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import psutil
import uvloop
from pydantic import SecretStr

from contracts.envelope import Envelope
from contracts.events import (
    Callback,
    Constraints,
    Event,
    ProcessingCompleted,
    Stage,
    StoredObject,
    TenantConfigured,
    UploadCompleted,
    UploadRegistered,
)
from contracts.ids import TenantId, UploadId
from deploy.postgres.embedded import EmbeddedPostgres
from deploy.postgres.prepare import prepare
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.object_store.disk import DiskStore
from libs.observability.logging import configure_logging
from libs.runtime.secret import SecretBox, new_key
from services.delivery.app import build
from services.delivery.settings import Settings

BURST = 600
HOSTILE = 200
BATCH = 300
"""Events that reach the service together."""
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TENANT = TenantId(uuid4())

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# ------------------------------------------------------------ the service's process


async def serve(folder: Path, dsn: str) -> None:
    """Reads lines from stdin: `send` with URLs hands over the events of an upload for each, `start` begins to send webhooks."""
    settings = Settings(
        data_dir=folder, postgres_dsn=SecretStr(dsn), secret_key=SecretStr(key := new_key()), egress_allow="127.0.0.0/8"
    )
    configure_logging("info", "json")
    service = build(settings, DiskStore(folder / "objects", "http://127.0.0.1:1", "secret"))
    await service.outbox.database.open()
    for resource in service.resources:
        await resource.open()
    handle = consumer(service.outbox, service.handlers)
    secret = SecretBox(key).seal("whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LXRlbmFudC0zMi1ieXRlcw==")
    await handle(envelopes([TenantConfigured(tenant_id=TENANT, revision=1, name="bench", webhook_secret_encrypted=secret)]))
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    sending: set[asyncio.Task[None]] = set()
    print("ready", flush=True)
    while line := await reader.readline():
        order, *urls = json.loads(line)
        if order == "start":
            sending.add(asyncio.ensure_future(service.loops["webhooks"]()))
        events = envelopes([event for url in urls for event in ended(UploadId(uuid4()), url)])
        for start in range(0, len(events), BATCH):
            await handle(events[start : start + BATCH])
        print("done", flush=True)


def envelopes(events: Sequence[Event]) -> list[Delivery]:
    return [Delivery(Envelope.of(event, source="bench", correlation_id=TRACE_ID)) for event in events]


def ended(upload_id: UploadId, url: str) -> list[Event]:
    now = datetime.now(UTC)
    stored = StoredObject(key=f"files/{upload_id}/original.bin", size_bytes=1024, etag="e", stored_at=now)
    return [
        UploadRegistered(
            upload_id=upload_id, tenant_id=TENANT, version=Stage.REGISTERED, dialect="eachlabs", staging_key="s",
            object_key="f", constraints=Constraints(max_size_bytes=10_000), registered_at=now, url_expires_at=now,
            deadline_at=now,
            callback=Callback(url=url, format="eachlabs", view={"id": str(upload_id)}),
        ),
        UploadCompleted(upload_id=upload_id, tenant_id=TENANT, version=Stage.CLOSED, object=stored, completed_at=now),
        ProcessingCompleted(
            upload_id=upload_id, tenant_id=TENANT, version=Stage.PROCESSED, mime_type="text/plain", renditions=(),
            completed_at=now,
        ),
    ]  # fmt: skip


# ------------------------------------------------------------ receivers


class GoodReceiver(asyncio.Protocol):
    """Answers 200 over connections that stay open, and remembers when each request came."""

    arrivals: ClassVar[list[float]] = []
    connections = 0
    arrived = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        GoodReceiver.connections += 1
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if found and len(body) >= int(length):
            self._received = b""
            self._transport.write(ANSWER)
            self.arrivals.append(time.perf_counter())
            self.arrived.set()

    @classmethod
    async def has_received(cls, count: int) -> None:
        while len(cls.arrivals) < count:
            cls.arrived.clear()
            await cls.arrived.wait()


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.1)


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(100):
        writer.write(bytes(100_000))
        await writer.drain()


def misbehaving(talk: Talk) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.close()

    return serve_one


async def good_url() -> str:
    server = await asyncio.get_running_loop().create_server(GoodReceiver, "127.0.0.1", 0, backlog=1024)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def hostile_urls() -> list[str]:
    servers = [
        await asyncio.start_server(misbehaving((hang, drip, reset, flood)[number % 4]), "127.0.0.1", 0)
        for number in range(HOSTILE)
    ]
    return [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook" for server in servers]


# ------------------------------------------------------------ measuring


class Service:
    """The process under test, from outside."""

    def __init__(self, process: asyncio.subprocess.Process, postgres: psutil.Process) -> None:
        self._process = process
        self._postgres = postgres

    async def order(self, word: str, *urls: str) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([word, *urls]).encode() + b"\n")
        await self._process.stdout.readline()

    def cpu_seconds(self) -> Counter[str]:
        postgres = [self._postgres, *self._postgres.children(recursive=True)]
        return Counter({"delivery": _cpu_seconds([psutil.Process(self._process.pid)]), "postgres": _cpu_seconds(postgres)})


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory(prefix="bench-webhooks-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101 - the server runs as another user
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.start()
        await prepare(server.dsn)
        postgres = psutil.Process(postmaster(Path(folder) / "postgres"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.webhooks", "--serve", folder, "--dsn", server.dsn,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=2**24,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            await process.stdout.readline()
            yield Service(process, postgres)
        finally:
            process.kill()
            await process.wait()
            server.stop()


def postmaster(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


async def burst(delivery: Service, good: str, others: Sequence[str]) -> None:
    """Uploads for one good receiver, each with one for another beside it."""
    urls = [url for number in range(BURST) for url in (*others[number % len(others) :][:1], good)] if others else [good] * BURST
    GoodReceiver.arrivals.clear()
    cpu_before, started = delivery.cpu_seconds(), time.perf_counter()
    await asyncio.gather(delivery.order("send", *urls), GoodReceiver.has_received(BURST))
    seconds = [arrival - started for arrival in GoodReceiver.arrivals]
    cuts = statistics.quantiles(seconds, n=100)
    name = f"beside {len(others)} hostile ones" if others else "alone"
    print(f"{BURST} first attempts at a good receiver {name}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s")
    report_cost(delivery.cpu_seconds() - cpu_before, len(urls))


async def drain(count: int) -> None:
    async with service() as delivery:
        url = await good_url()
        for start in range(0, count, 1000):
            await delivery.order("send", *([url] * min(1000, count - start)))
        GoodReceiver.arrivals.clear()
        cpu_before, started = delivery.cpu_seconds(), time.perf_counter()
        await delivery.order("start")
        await GoodReceiver.has_received(count)
        seconds = time.perf_counter() - started
        print(f"{count} due webhooks: {count / seconds:.0f}/s")
        report_cost(delivery.cpu_seconds() - cpu_before, count)


def report_cost(used: Counter[str], count: int) -> None:
    cpu = ", ".join(f"{name} {1e6 * seconds / count:.0f} µs" for name, seconds in used.most_common())
    print(f"  CPU per webhook: {cpu}; connections to the good receiver: {GoodReceiver.connections}", flush=True)
    GoodReceiver.connections = 0


async def measure(count: int) -> None:
    async with service() as delivery:
        await delivery.order("start")
        good = await good_url()
        await burst(delivery, good, [])
        await burst(delivery, good, await hostile_urls())
    await drain(count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=5000, help="how many wait in the backlog")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(arguments.serve, arguments.dsn))
    else:
        uvloop.run(measure(arguments.webhooks))
