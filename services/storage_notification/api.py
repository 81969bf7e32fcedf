"""HTTP in: `POST /internal/storage-events`, where an S3-compatible store sends its notifications."""

import hmac
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from pydantic import BaseModel

from libs.postgres.database import TRANSIENT_ERRORS
from libs.web.problem import problem_error
from libs.web.request import read_body
from libs.web.route import Answer, Api, HttpError, MalformedBodyError, Route
from services.storage_notification.usecases import Receipt

MAX_BODY_BYTES = 1_000_000
PATH = "/internal/storage-events"


class UnauthorizedError(HttpError):
    """The token is missing or wrong."""

    status = 401
    code = "unauthorized"


class UnavailableError(HttpError):
    """The notification could not be kept: send it again."""

    status = 503
    code = "unavailable"


class ReceiptBody(BaseModel):
    """What became of the records: only a 200 means that nothing has to be sent again."""

    accepted: int
    malformed: int
    skipped: int


def events_api(receive: Callable[[object], Awaitable[Receipt]], token: str | None) -> Api:
    """Answers 200 only after everything is committed; records that make no sense are counted, not refused."""

    async def post(request: web.Request) -> web.Response:
        _authorize(request, token)
        body = await read_body(request, MAX_BODY_BYTES)
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise MalformedBodyError("The body is not valid JSON.") from None
        try:
            receipt = await receive(payload)
        except TRANSIENT_ERRORS:
            raise UnavailableError("Not now; please send it again.") from None
        answer = ReceiptBody(accepted=receipt.accepted, malformed=receipt.malformed, skipped=receipt.skipped)
        return web.json_response(text=answer.model_dump_json())

    route = Route(
        method="POST",
        path=PATH,
        handler=post,
        operation_id="receiveStorageEvents",
        summary="Take a notification of the object store",
        answers={
            200: Answer("Taken", ReceiptBody),
            400: Answer("Not JSON"),
            401: Answer("Token missing or wrong"),
            413: Answer("More than 1 MB"),
            503: Answer("Send it again"),
        },
        security=("bearer",),
    )
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}}
    return Api("storage_events", "Storage notifications", (route,), problem_error, schemes)


def _authorize(request: web.Request, token: str | None) -> None:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    # Some stores send the configured token as it is, without a scheme.
    sent = given if kind.lower() == "bearer" else request.headers.get("Authorization", "")
    if not token or not hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), token.encode()):
        raise UnauthorizedError("The token is missing or wrong.")
