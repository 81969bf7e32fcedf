"""Answers that work: always exactly 200, readable by web pages of any origin, for browsers' clients take nothing else.

Which origins may upload is a matter of the project (`project.admit`); reading an answer gives nothing away.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from pydantic import BaseModel

CORS_HEADERS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Warning, Retry-After",
}

PREFLIGHT_HEADERS: Final[Mapping[str, str]] = {
    **CORS_HEADERS,
    "Access-Control-Allow-Methods": "GET, POST, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "X-UC-User-Agent, X-PINGOTHER, DNT, Content-Type, Authorization",
    "Access-Control-Max-Age": "600",
}


async def preflight(_request: web.Request) -> web.Response:
    return web.Response(headers=PREFLIGHT_HEADERS)


def answer(view: BaseModel | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = view.model_dump_json().encode() if isinstance(view, BaseModel) else orjson.dumps(view)
    return web.Response(status=status, body=body, content_type="application/json", headers={**CORS_HEADERS, **(headers or {})})
