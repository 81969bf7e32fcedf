"""RFC 9457 problem details: the error shape of the platform's own routes and of addresses that no API knows."""

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from libs.object_store.port import StoreUnavailableError
from libs.observability.tracing import current_trace_id
from libs.postgres.database import TRANSIENT_ERRORS
from libs.web.route import Answer, HttpError

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (StoreUnavailableError, *TRANSIENT_ERRORS)
"""The database or the object store is away for now: 503, and no fault of the code."""


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """The document that `problem` writes."""

    type: str
    title: str
    status: int
    code: str
    """Stable; for programs."""
    detail: str
    """For people."""
    request_id: str
    errors: list[FieldProblem] = []


UNAVAILABLE = Answer("Busy or restarting.", Problem, CONTENT_TYPE, {"Retry-After": "Seconds."})

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(status: int, code: str, detail: str, **members: object) -> web.Response:
    body = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "code": code, "detail": detail}
    body |= {"request_id": current_trace_id(), **members}
    return web.Response(status=status, body=orjson.dumps(body), content_type=CONTENT_TYPE)


def problem_error(_request: web.Request, error: Exception) -> web.Response:
    """`Api.render_error` of an API without a vendor's own error shape. What is unknown here is a 500 that tells nothing."""
    if isinstance(error, HttpError):
        return problem(error.status, error.code, error.message)
    if isinstance(error, ValidationError):
        errors = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors(include_url=False)]
        return problem(400, "invalid_request", "The request does not have the documented form.", errors=errors)
    if isinstance(error, UNAVAILABLE_ERRORS):
        response = problem(503, "unavailable", "The service is busy or restarting; try again.")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return problem(500, "internal_error", "Something went wrong here; it was logged under this request_id.")
