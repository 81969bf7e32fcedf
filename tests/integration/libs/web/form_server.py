"""A server that receives forms: in this process, or in one of its own that can be measured."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import create_connection
from uuid import uuid4

import uvloop
from aiohttp import web

from libs.object_store.disk import DiskStore
from libs.object_store.port import ObjectStore
from libs.web.form import Field, FilePart, FormLimits, Place, read_form, receive_form
from libs.web.problem import problem_error
from libs.web.route import Answer, Api, Route
from libs.web.server import application
from tests.integration.libs.object_store.disk_server import free_port

BOUNDARY = "----formdata-undici-012345678901"


def new_key() -> str:
    return f"staging/{uuid4().hex}"


async def new_place(_part: FilePart, _fields: Sequence[Field]) -> str:
    return new_key()


def form_application(store: ObjectStore, limits: FormLimits, place: Place = new_place) -> web.Application:
    """`POST /files` answers what it received, `POST /fields` the fields of a small form."""

    async def files(request: web.Request) -> web.Response:
        form = await receive_form(request, store, place, limits)
        received = [
            {
                "field": file.part.field,
                "filename": file.part.filename,
                "content_type": file.part.content_type,
                "size_bytes": file.stored.size_bytes,
                "key": file.stored.key,
            }
            for file in form.files
        ]
        assert [file["key"] for file in received] == form.keys
        return web.json_response({"fields": form.fields, "files": received})

    async def fields(request: web.Request) -> web.Response:
        return web.json_response({"fields": await read_form(request, replace(limits, files=0))})

    answers = {200: Answer("Received.")}
    routes = [
        Route("POST", "/files", files, "files", "A form with files", answers),
        Route("POST", "/fields", fields, "fields", "A small form", answers),
    ]
    return application([Api("forms", "Forms", routes, problem_error)])


@dataclass
class FormServer:
    store: ObjectStore
    runner: web.AppRunner

    @property
    def port(self) -> int:
        return int(self.runner.addresses[0][1])

    async def keys(self) -> list[str]:
        return [found.key async for page in self.store.list("") for found in page]

    async def content(self, key: str) -> bytes:
        return b"".join([chunk async for chunk in self.store.read(key)])


@asynccontextmanager
async def running(store: ObjectStore, limits: FormLimits, place: Place = new_place) -> AsyncIterator[FormServer]:
    await store.open()
    runner = web.AppRunner(form_application(store, limits, place), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield FormServer(store, runner)
    finally:
        await runner.cleanup()
        await store.close()


def disk(root: Path) -> DiskStore:
    return DiskStore(root, "http://127.0.0.1", "secret")


def field(name: str, value: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode(errors="surrogateescape")


def file(name: str, filename: str, content: bytes, content_type: str = "video/mp4") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def head(length: int | None, *more: str, path: str = "/files") -> bytes:
    """Up to the body; without a length it is chunked."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", kind, framing, *more, "", ""]).encode()


def chunked(body: bytes, size: int = 100_000) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


class Process:
    """The server in a process of its own, `python -m tests.integration.libs.web.form_server <root> <port>`."""

    def __init__(self, root: Path) -> None:
        self._port = free_port()
        command = [sys.executable, "-m", "tests.integration.libs.web.form_server", str(root), str(self._port)]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[4], env={**os.environ, "PYTHONPATH": "."})
        deadline = time.monotonic() + 20
        while True:
            try:
                create_connection(("127.0.0.1", self._port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    async def upload(self, size: int, framing: str) -> None:
        before, chunk, after = file("file", "a", b"")[:-2], os.urandom(1024 * 1024), b"\r\n" + END
        pieces = [before, *[chunk] * (size // len(chunk)), after]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head(None if framing == "chunked" else sum(map(len, pieces))))
        for piece in pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if framing == "chunked" else piece)
            await writer.drain()
        if framing == "chunked":
            writer.write(b"0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextmanager
def process(root: Path) -> Iterator[Process]:
    started = Process(root)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def main(root: str, port: str) -> None:
    async def served() -> web.Application:
        store = disk(Path(root))
        await store.open()
        return form_application(store, FormLimits(body_bytes=2**31, files=2, fields=10))

    web.run_app(served(), host="127.0.0.1", port=int(port), print=None, loop=uvloop.new_event_loop(), access_log=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
