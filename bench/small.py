"""`python -m bench.small`: small uploads into the disk store beside a server that writes each body to one durable file.

Each upload is what a platform makes of it: a signed PUT, the look that follows the store's notification, and the promotion. CPU
is the server's own; durable writes are those that it asks for. Only the ratio means something; the machine's figures drift.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import uvloop
from aiohttp import web
from yarl import URL

from bench import bare
from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from libs.object_store.presign import Presigner

SECRET = "bench"
BODY = os.urandom(20_000)


@dataclass(frozen=True)
class Cost:
    """Of one upload."""

    seconds: float
    cpu_seconds: float
    durable_writes: float


class DurableWrites:
    def __init__(self) -> None:
        self.count = 0
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, original: Callable[[int], None]) -> Callable[[int], None]:
        def counted(fd: int) -> None:
            self.count += 1
            original(fd)

        return counted


class Uploads:
    """What the server does with an upload once it is there."""

    def __init__(self) -> None:
        self._done = 0
        self._changed = asyncio.Condition()
        self._durable_writes = DurableWrites()
        self.store: DiskStore | None = None

    async def noticed(self, notice: dict[str, Any]) -> None:
        assert self.store is not None
        [record] = notice["Records"]
        staged = await self.store.stat(record["s3"]["object"]["key"])
        assert staged is not None
        await self.store.promote(staged, f"files/{staged.key.split('/')[1]}/original.png")
        await self.end()

    async def end(self) -> None:
        async with self._changed:
            self._done += 1
            self._changed.notify_all()

    async def report(self, request: web.Request) -> web.Response:
        """The durable writes so far, once `done` uploads are done."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._done >= int(request.query["done"]))
        return web.json_response(self._durable_writes.count)


def serve(kind: str, folder: Path, port: int) -> None:
    async def application() -> web.Application:
        uploads = Uploads()
        app = web.Application()
        app.router.add_get("/report", uploads.report)
        if kind == "store":
            uploads.store = DiskStore(folder / "store", f"http://127.0.0.1:{port}", SECRET, uploads.noticed)
            await uploads.store.open()
            app.add_routes(storage_routes(uploads.store))
        else:
            app.router.add_put("/{path:.*}", lambda request: write(request, folder, uploads))
        return app

    web.run_app(application(), host="127.0.0.1", port=port, print=None, loop=uvloop.new_event_loop(), access_log=None)


async def write(request: web.Request, folder: Path, uploads: Uploads) -> web.Response:
    body = await request.read()

    def in_thread() -> None:
        with (folder / uuid4().hex).open("xb", buffering=0) as file:
            file.write(body)
            os.fdatasync(file.fileno())

    await asyncio.to_thread(in_thread)
    await uploads.end()
    return web.Response()


async def put_many(started: bare.Server, count: int, connections: int) -> Cost:
    presigner = Presigner(f"http://127.0.0.1:{started.port}/storage", "longshore", SECRET)
    gate = asyncio.Semaphore(connections)

    async with aiohttp.ClientSession(f"http://127.0.0.1:{started.port}") as client:

        async def durable_writes(done: int) -> int:
            async with client.get("/report", params={"done": done}) as response:
                return int(await response.text())

        async def put() -> None:
            url = presigner.url("PUT", f"staging/{uuid4()}/{uuid4().hex}", expires_in=timedelta(hours=1))
            async with gate, client.put(URL(url, encoded=True), data=BODY) as response:
                assert response.status == 200

        await put()
        durable, cpu, at = await durable_writes(1), started.cpu_seconds(), time.perf_counter()
        await asyncio.gather(*[put() for _ in range(count)])
        durable = await durable_writes(1 + count) - durable
        seconds, cpu = time.perf_counter() - at, started.cpu_seconds() - cpu
        return Cost(seconds / count, cpu / count, durable / count)


async def compare(folder: Path, count: int) -> None:
    print(f"{'':24}{'ms':>8}{'CPU ms':>9}{'durable writes':>16}")
    for connections in (1, 16, 64):
        for kind in ("bare", "store"):
            with bare.server("bench.small", kind, folder, sync=True) as started:
                cost = await put_many(started, count, connections)
            figures = f"{cost.seconds * 1e3:8.2f}{cost.cpu_seconds * 1e3:9.3f}{cost.durable_writes:16.2f}"
            print(f"{f'{connections} at a time, {kind}':24}{figures}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--serve", choices=["bare", "store"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.folder, arguments.port)
    else:
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as parent:
            asyncio.run(compare(Path(parent), arguments.uploads))
