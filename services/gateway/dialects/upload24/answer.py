"""An answer of the Upload24 API: JSON that no cache keeps."""

from aiohttp import web
from pydantic import BaseModel


def answer(view: BaseModel, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.json_response(text=view.model_dump_json(by_alias=True), status=status, headers=headers)
