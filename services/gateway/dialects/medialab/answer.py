"""Answers that web pages of any origin may read: no cookie counts here, so that gives nothing away (M-28)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from pydantic import BaseModel

CORS_HEADERS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-Id",
}

PREFLIGHT_HEADERS: Final[Mapping[str, str]] = {
    **CORS_HEADERS,
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Authorization, Cache-Control, Content-Type, X-Requested-With",
    "Access-Control-Max-Age": "600",
}


async def preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers=PREFLIGHT_HEADERS)


def answer(view: BaseModel, *, exclude_none: bool = False) -> web.Response:
    body = view.model_dump_json(exclude_none=exclude_none).encode()
    return web.Response(body=body, content_type="application/json", headers=CORS_HEADERS)
