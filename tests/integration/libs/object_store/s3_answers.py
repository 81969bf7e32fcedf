"""An S3 service whose every answer a test decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from libs.object_store.s3 import S3Store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def xml(body: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=body, content_type="application/xml")


def error(code: str, status: int = 200) -> web.Response:
    return xml(f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message></Error>', status)


@asynccontextmanager
async def talking_to(handler: Handler) -> AsyncIterator[S3Store]:
    """A store whose server is `handler`."""
    application = web.Application(client_max_size=32 * 1024**2)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store = S3Store.from_url(f"http://key:secret@127.0.0.1:{runner.addresses[0][1]}/bucket")
    try:
        yield store
    finally:
        await store.close()
        await runner.cleanup()
