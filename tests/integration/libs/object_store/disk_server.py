"""The disk store behind its upload URLs: in this process, or in one of its own that can be killed and measured."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from socket import create_connection, socket
from typing import Any
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes


def free_port() -> int:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Disk:
    store: DiskStore
    root: Path
    runner: web.AppRunner
    notices: list[dict[str, Any]] = field(default_factory=list)

    def head(self, key: str, length: int, *more: str) -> bytes:
        """A signed PUT up to its body."""
        signed = self.store.presign_put(key, expires_in=timedelta(minutes=5), headers={}, content_length=length)
        return request_head(signed, f"Content-Length: {length}", *more)

    def files(self) -> list[Path]:
        """Everything that is on the disk."""
        return [path for path in self.root.rglob("*") if path.is_file()]


def request_head(url: str, *headers: str) -> bytes:
    parts = urlsplit(url)
    return "\r\n".join([f"PUT {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", *headers, "", ""]).encode()


@asynccontextmanager
async def running(root: Path, **options: Any) -> AsyncIterator[Disk]:
    port = free_port()
    notices: list[dict[str, Any]] = []

    async def notify(notice: dict[str, Any]) -> None:
        notices.append(notice)
        if len(notices) > 1000:
            raise RuntimeError("too many")

    store = DiskStore(root, f"http://127.0.0.1:{port}", "secret", options.pop("notify", notify))
    await store.open()
    application = web.Application()
    application.add_routes(storage_routes(store, **options))
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Disk(store, root, runner, notices)
    finally:
        await runner.cleanup()
        await store.close()


class Process:
    """`python -m tests.integration.libs.object_store.disk_server <root> <port>`"""

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        self.store = DiskStore(root, f"http://127.0.0.1:{self.port}", "secret")
        command = [sys.executable, "-m", "tests.integration.libs.object_store.disk_server", str(root), str(self.port)]
        self._process = subprocess.Popen(command, cwd=Path(__file__).parents[4], env={**os.environ, "PYTHONPATH": "."})
        deadline = time.monotonic() + 20
        while True:
            try:
                create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def process(root: Path) -> Iterator[Process]:
    started = Process(root)
    try:
        yield started
    finally:
        started.kill()


def main(root: str, port: str) -> None:
    async def application() -> web.Application:
        store = DiskStore(Path(root), f"http://127.0.0.1:{port}", "secret")
        await store.open()
        app = web.Application()
        app.add_routes(storage_routes(store))
        return app

    web.run_app(application(), host="127.0.0.1", port=int(port), print=None, loop=uvloop.new_event_loop(), access_log=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
