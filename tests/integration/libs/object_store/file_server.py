"""One file behind `file_socket`: in this process, or in one of its own that can be measured."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import AF_INET, SO_RCVBUF, SOCK_STREAM, SOL_SOCKET, socket

import uvloop
from aiohttp import web

from libs.object_store.disk import DiskStore
from libs.object_store.socket_file import file_socket, on_plain_socket

BODY_BYTES = 24 * 1024 * 1024 + 7


def application(store: DiskStore, path: Path, *, idle_seconds: float) -> web.Application:
    """`GET /<start>/<length>`; errors while it is sent are kept in `ERRORS`, and end the connection."""

    async def send(request: web.Request) -> web.StreamResponse:
        assert on_plain_socket(request)
        start, length = int(request.match_info["start"]), int(request.match_info["length"])
        response = web.StreamResponse()
        response.content_length = length
        with path.open("rb") as file:
            async with file_socket(request, response) as to:
                try:
                    await to.send(file.fileno(), start, length, store.run_reader, idle_seconds)
                except Exception as error:
                    request.app[ERRORS].append(error)
                    if request.transport is not None:
                        request.transport.abort()
        return response

    built = web.Application()
    built[ERRORS] = []
    built.router.add_get("/{start}/{length}", send)
    return built


ERRORS: web.AppKey[list[Exception]] = web.AppKey("errors", list)


@asynccontextmanager
async def running(folder: Path, *, idle_seconds: float = 20) -> AsyncIterator[tuple[int, list[Exception]]]:
    """The server's port, and the errors so far."""
    store = DiskStore(folder / "store", "http://127.0.0.1:1", "secret")
    await store.open()
    built = application(store, folder / "body", idle_seconds=idle_seconds)
    runner = web.AppRunner(built, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], built[ERRORS]
    finally:
        await runner.cleanup()
        await store.close()


def slow_client(port: int, length: int) -> socket:
    """Has asked for the file and takes no more of it than its small buffer holds."""
    client = socket(AF_INET, SOCK_STREAM)
    client.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /0/{length} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def main(folder: str) -> None:
    async def serve() -> None:
        import asyncio

        async with running(Path(folder)) as (port, _):
            print(port, flush=True)
            await asyncio.Event().wait()

    uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1])
