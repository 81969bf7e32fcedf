"""`python -m bench.form`: form-data into the disk store beside a bare socket → file copy, in one run over loopback.

As `bench.put`, with one file among text fields in a multipart body: what is added is the search for the boundary.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import uvloop
from aiohttp import web

from bench import bare
from libs.object_store.disk import DiskStore
from libs.observability.logging import configure_logging
from libs.web.form import Field, FilePart, FormLimits, receive_form
from libs.web.problem import problem_error
from libs.web.route import Answer, Api, Route
from libs.web.server import application

AIM = 0.7
PATH = "/base/"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW7"
FIELDS = {"UPLOADCARE_PUB_KEY": "demopublickey", "UPLOADCARE_STORE": "auto"}
LIMITS = FormLimits(body_bytes=2 * 1024**3, files=1)


def request_with(fields: Mapping[str, str]) -> bare.Request:
    """The file first, as Uploadcare's JavaScript client sends it."""

    def request(server: bare.Server, _number: int, size: int) -> tuple[bytes, bytes]:
        file = 'Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream'
        before = f"--{BOUNDARY}\r\n{file}\r\n\r\n".encode()
        texts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
        after = f"\r\n{''.join(texts)}--{BOUNDARY}--\r\n".encode()
        head = [
            f"POST {PATH} HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
            f"Content-Length: {len(before) + size + len(after)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + before, after

    return request


def serve(folder: Path, port: int) -> None:
    configure_logging("warning", "console")
    store = DiskStore(folder / "store", f"http://127.0.0.1:{port}", "bench")
    numbers = count()

    async def place(_part: FilePart, _fields: Sequence[Field]) -> str:
        return f"bench-{next(numbers)}"

    async def receive(request: web.Request) -> web.Response:
        form = await receive_form(request, store, place, LIMITS)
        return web.json_response({file.part.field: file.stored.key for file in form.files})

    async def built() -> web.Application:
        await store.open()
        route = Route("POST", PATH, receive, "base", "A form", {200: Answer("Stored.")})
        return application([Api("bench", "Bench", [route], problem_error)])

    web.run_app(built(), host="127.0.0.1", port=port, print=None, loop=uvloop.new_event_loop(), access_log=None)


if __name__ == "__main__":
    bare.run("bench.form", __doc__, serve, request_with(FIELDS), AIM)
