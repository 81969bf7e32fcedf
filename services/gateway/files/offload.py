"""Transfers past this process: it decides and answers with headers, another server sends the bytes."""

from datetime import UTC, datetime, timedelta
from math import floor

from aiohttp import web

from libs.object_store.capability import SignsReads
from services.gateway.files.header import CORS, HARMLESS
from services.gateway.files.transfer import Body, Transfer


class AccelRedirect:
    """An nginx in front sends the store's file itself (`X-Accel-Redirect`).

    It cuts the range out, too. What it decides for itself and would decide otherwise, `If-Match`, is left to `otherwise`, and
    so are small objects, which have no file with nothing but their bytes.
    https://nginx.org/en/docs/http/ngx_http_proxy_module.html, https://docs.nginx.com/nginx/admin-guide/web-server/
    """

    def __init__(self, location: str, otherwise: Transfer) -> None:
        """`location` is nginx's internal one that leads to the folder of the store's files."""
        self._location = location.rstrip("/")
        self._otherwise = otherwise

    async def send(self, request: web.Request, body: Body) -> web.StreamResponse:
        path = body.found.file_path
        if path is None or "If-Match" in request.headers:
            return await self._otherwise.send(request, body)
        return web.Response(headers={**body.headers, "X-Accel-Redirect": f"{self._location}/{path}"})


class StoreRedirect:
    """The client fetches the object from the store itself, by a URL that is signed for a moment (302).

    The store answers with our type and disposition, whatever it knows of the object, so that it shows nothing that would not be
    shown here. A URL that was given out goes on being good for its short life when the file is removed, until its bytes are.
    """

    def __init__(self, store: SignsReads, *, seconds: int) -> None:
        self._store = store
        self._seconds = seconds

    async def send(self, request: web.Request, body: Body) -> web.StreamResponse:
        url = self._store.presign_get(
            body.found.key,
            expires_in=timedelta(seconds=self._life(body.file.expires_at)),
            content_type=body.headers["Content-Type"],
            disposition=body.headers["Content-Disposition"],
            cache_control=body.headers["Cache-Control"],
        )
        return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store", **HARMLESS, **CORS})

    def _life(self, expires_at: datetime | None) -> int:
        """Seconds; not beyond the end of the file or of the link that led here."""
        if expires_at is None:
            return self._seconds
        return max(1, min(self._seconds, floor((expires_at - datetime.now(UTC)).total_seconds())))
