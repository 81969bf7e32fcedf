"""What the object store suites need of an adapter: each over real HTTP, the disk store behind aiohttp, S3 at a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from aiohttp import web

from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from libs.object_store.port import ObjectStore, delete_prefix
from libs.object_store.s3 import S3Store
from tests.servers import s3

TYPE = "application/octet-stream"

RCLONE_DEVIATES = frozenset(
    {
        "etag",  # is the MD5 of the content, so that the same bytes give the same ETag
        "expired",  # is answered with 400, where S3 says 403
        "preflight",  # is refused for want of a signature; browsers are served by other stores
        "multipart-etag",  # as the completion tells it is not the object's
        "replaced-part",  # is refused unless its bytes are the same: parts are written through as they come
        "left-out-part",  # is missed at the completion, for the same reason
        "refused-completion",  # ends the multipart upload
    }
)


@dataclass(frozen=True)
class Adapter:
    store: ObjectStore
    deviates: frozenset[str] = frozenset()


@asynccontextmanager
async def disk_store(root: Path) -> AsyncIterator[Adapter]:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = DiskStore(root, f"http://127.0.0.1:{port}", "secret")
    await store.open()
    application = web.Application()
    application.add_routes(storage_routes(store))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Adapter(store)
    finally:
        await runner.cleanup()
        await store.close()


@asynccontextmanager
async def s3_store(server: str) -> AsyncIterator[Adapter]:
    store = S3Store.from_url(s3.bucket_url(server))
    await store.open()
    try:
        yield Adapter(store, RCLONE_DEVIATES if s3.is_rclone(server) else frozenset())
    finally:
        await delete_prefix(store, "")
        async for page in store.list_multiparts(""):
            await asyncio.gather(*[store.abort_multipart(found.key, found.multipart_id) for found in page])
        await store.close()


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def put(store: ObjectStore, key: str, content: bytes = b"content", content_type: str = TYPE) -> str:
    return (await store.write(key, stream(content), content_type=content_type)).etag


async def content_of(store: ObjectStore, key: str, **options: object) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, **options)])  # type: ignore[arg-type]


async def keys_of(store: ObjectStore, prefix: str, after: str = "") -> list[str]:
    return [found.key async for page in store.list(prefix, after=after) for found in page]
