"""The routes of an address that can only be read, by anyone and from pages of other sites."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem
from libs.web.route import Answer, HttpHandler, Parameter, Route
from services.gateway.files.header import PREFLIGHT

_CONDITIONS = tuple(
    Parameter(name, "header", text)
    for name, text in {
        "Range": "One range of bytes, e.g. `bytes=0-1023`; several at once are answered with the whole file.",
        "If-Range": "`Range` counts only while the file has this ETag or Last-Modified.",
        "If-None-Match": "ETags the client has.",
        "If-Modified-Since": "Age of the client's copy.",
    }.items()
)
_VALIDATORS = {
    "ETag": "Strong.",
    "Last-Modified": "When it was stored.",
    "Accept-Ranges": "`bytes`",
    "Cache-Control": "How long a copy may be kept unasked; `immutable` where the address never leads to other bytes.",
}

CONTENT = {
    200: Answer("All of the file.", content_type="*/*", headers=_VALIDATORS),
    206: Answer("The range asked for.", content_type="*/*", headers={**_VALIDATORS, "Content-Range": "Which bytes these are."}),
    302: Answer("Where the operator has it so: the store sends the bytes.", headers={"Location": "Good for a moment."}),
    304: Answer("The client's copy is current.", headers=_VALIDATORS),
    412: Answer("The file is not the one named in If-Match or If-Unmodified-Since.", Problem, CONTENT_TYPE),
    416: Answer("No such bytes.", Problem, CONTENT_TYPE, {"Content-Range": "`bytes */<size>`"}),
}
"""What `send` answers."""

PROBLEMS = {404: Answer("Nothing is published here.", Problem, CONTENT_TYPE), 503: UNAVAILABLE}


def readable(
    path: str,
    operation: str,
    summary: str,
    handler: HttpHandler,
    *,
    answers: Mapping[int, Answer],
    parameters: Sequence[Parameter] = (),
) -> list[Route]:
    """GET (and with it HEAD), and the OPTIONS that browsers ask before a cross-origin `Range`."""
    preflight = {
        204: Answer("What may be asked from other sites.", headers={"Access-Control-Allow-Methods": "Methods."}),
        404: Answer("No file can have this address.", Problem, CONTENT_TYPE),
    }
    return [
        Route("GET", path, handler, operation, summary, answers, parameters=(*parameters, *_CONDITIONS)),
        Route("OPTIONS", path, _preflight, f"{operation}_options", "CORS preflight", preflight),
    ]


async def _preflight(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=PREFLIGHT)
