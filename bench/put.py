"""`python -m bench.put`: a streamed PUT into the disk store beside a bare socket → file copy, in one run over loopback.

Compared at equal durability: with `fdatasync` on both sides (what the store really does) and without on both. Only the
ratios mean something; the machine's own figures drift. The store's share of CPU is larger by the CRC-32C.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

from bench import bare
from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from libs.object_store.presign import Presigner

SECRET = "bench"
AIM = 0.8


def request(server: bare.Server, number: int, size: int) -> tuple[bytes, bytes]:
    presigner = Presigner(f"http://127.0.0.1:{server.port}/storage", "longshore", SECRET)
    url = urlsplit(presigner.url("PUT", f"bench-{number}", expires_in=timedelta(hours=1)))
    return f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n".encode(), b""


def serve(folder: Path, port: int) -> None:
    async def application() -> web.Application:
        store = DiskStore(folder / "store", f"http://127.0.0.1:{port}", SECRET)
        await store.open()
        app = web.Application()
        app.add_routes(storage_routes(store))
        return app

    web.run_app(application(), host="127.0.0.1", port=port, print=None, loop=uvloop.new_event_loop(), access_log=None)


if __name__ == "__main__":
    bare.run("bench.put", __doc__, serve, request, AIM)
