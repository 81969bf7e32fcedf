"""How answers go out, and how long the database may take for them."""

from typing import Final

from aiohttp import web
from pydantic import BaseModel

from services.gateway.dialects.uploadcare.rest.errors import CONTENT_TYPE

DATABASE_SECONDS: Final = 10
"""After that the answer is 503: whatever was asked may or may not have happened."""


def answer(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), status=status, content_type=CONTENT_TYPE)


def nothing() -> web.Response:
    return web.Response(status=204)
