"""`/openapi.json` and a page at `/docs` that shows it. Everything the page needs is served from here: no outside request.

Swagger UI comes from the package flask-swagger-ui, which carries the built files; its code and Flask are never imported.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import distribution
from pathlib import Path

from aiohttp import web

from libs.web.openapi import openapi_document
from libs.web.problem import CONTENT_TYPE as PROBLEM_TYPE
from libs.web.problem import Problem, problem_error
from libs.web.route import Answer, Api, NotFoundError, Route

_ASSETS = Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist")))
_ASSET_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

# Swagger UI sets styles from its script and draws its icons from data: addresses.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="page"><noscript>This page needs JavaScript; the same is in <a href="/openapi.json">/openapi.json</a>.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
  persistAuthorization: false,
});
"""


@dataclass(frozen=True)
class Page:
    """Bytes that never change while the process lives, with what a conditional request needs."""

    body: bytes
    packed: bytes
    etag: str
    content_type: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "Page":
        return cls(body, gzip.compress(body, 6, mtime=0), hashlib.sha256(body).hexdigest()[:32], content_type)


def documentation(apis: Sequence[Api], *, title: str, version: str, description: str = "") -> Api:
    """The API that documents `apis` and itself; mount it beside them."""
    pages = {
        "/docs": Page.of(_PAGE.format(title=escape(title)).encode(), "text/html; charset=utf-8"),
        "/docs/start.js": Page.of(_START, "text/javascript"),
        **{f"/docs/{name}": _asset(name) for name in _ASSET_TYPES},
    }

    async def serve(request: web.Request) -> web.Response:
        return _answer(request, pages.get(request.path))

    async def serve_document(request: web.Request) -> web.Response:
        return _answer(request, await asyncio.to_thread(document))

    current = {304: Answer("The client's copy is current.", headers={"ETag": "As before."})}
    missing = {404: Answer("No such file.", Problem, PROBLEM_TYPE)}
    text = Answer("OpenAPI 3.1, JSON.")
    page, asset = Answer("The page.", content_type="text/html"), Answer("A file of the page.", content_type="*/*")
    routes = [
        Route("GET", "/openapi.json", serve_document, "openapi", "This document", {200: text, **current}),
        Route("GET", "/docs", serve, "page", "A page that shows this document", {200: page, **current}),
        Route("GET", "/docs/{file}", serve, "page_file", "What that page needs", {200: asset, **current, **missing}),
    ]
    itself = Api("documentation", "This document and the page that shows it", routes, problem_error)

    @cache
    def document() -> Page:
        """At the first request: the schemas of all models cost more than the rest of a service's start."""
        made = openapi_document([*apis, itself], title=title, version=version, description=description)
        return Page.of(made, "application/json")

    return itself


@cache
def _asset(name: str) -> Page:
    return Page.of((_ASSETS / name).read_bytes(), _ASSET_TYPES[name])


def _answer(request: web.Request, page: Page | None) -> web.Response:
    if page is None:
        raise NotFoundError("There is no such file.")
    headers = {"ETag": f'"{page.etag}"', **_HEADERS}
    if any(tag.value in (page.etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = page.content_type
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=page.packed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=page.body, headers=headers)
