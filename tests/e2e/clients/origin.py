"""The web site that embeds the clients: its pages, the packages that they load, and files that the platform fetches by URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

HERE = Path(__file__).parent


@asynccontextmanager
async def serving(files: Path) -> AsyncIterator[str]:
    """The address: `/site/…`, `/node_modules/…` and, from `files`, `/files/…`; `/moved/…` leads there."""
    packages = HERE / "node_modules"
    assert packages.is_dir(), "the clients' packages are not installed: `make test` does that, or `npm ci` in tests/e2e/clients"
    application = web.Application()
    application.router.add_static("/site", HERE / "site")
    application.router.add_static("/node_modules", packages)
    application.router.add_static("/files", files)
    application.router.add_get("/moved/{name}", _moved)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _moved(request: web.Request) -> web.Response:
    raise web.HTTPFound(f"/files/{request.match_info['name']}")
