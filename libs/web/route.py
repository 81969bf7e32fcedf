"""A route, and an API made of routes that share an error shape.

An `Api` is a dialect's HTTP face: its routes and its way to render an error. Whatever goes wrong in one of its routes
(malformed JSON, a domain error, a wrong method, a bug) is rendered by that API's own `render_error`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import BaseModel

HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpError(Exception):
    """Something about the request itself, before any domain rule: rendered by the API it happened in."""

    status = 400
    code = "bad_request"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MalformedBodyError(HttpError):
    """The body is not what its type says: bad JSON, not UTF-8, not an object, NaN, too deep, NUL characters."""

    code = "malformed_body"


class UnsupportedMediaTypeError(HttpError):
    """The request's Content-Type is not the one that the route takes."""

    status = 415
    code = "unsupported_media_type"


class BodyTooLargeError(HttpError):
    status = 413
    code = "body_too_large"


class RequestTimeoutError(HttpError):
    """The request's body did not arrive in time."""

    status = 408
    code = "request_timeout"


class NotFoundError(HttpError):
    status = 404
    code = "not_found"


class MethodNotAllowedError(HttpError):
    """A known path, asked with a method that it does not have."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True)
class Answer:
    """One documented answer of a route. `model` None: no body, or `content_type` other than JSON."""

    description: str
    model: type[BaseModel] | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header name → description."""
    other_models: Sequence[type[BaseModel]] = ()
    """Further forms that the body may have, beside `model`."""

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        return () if self.model is None else (self.model, *self.other_models)


@dataclass(frozen=True)
class Parameter:
    name: str
    location: str
    """`path`, `query` or `header`."""
    description: str
    required: bool = False
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    """aiohttp's pattern, e.g. `/api/v1/uploads/{upload_id}`."""
    handler: HttpHandler
    operation_id: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    body: type[BaseModel] | None = None
    """Model of the JSON request body, for the document; the handler parses with `read_json`."""
    form: type[BaseModel] | None = None
    """Model of a form's fields, instead or as another choice, for the document."""
    form_types: Sequence[str] = ("multipart/form-data", "application/x-www-form-urlencoded")
    also: str | None = None
    """Another pattern that leads here and is in no document: the same path, spelled otherwise."""
    parameters: Sequence[Parameter] = ()
    security: Sequence[str] = ()
    """Names of the API's security schemes, any of which suffices."""


@dataclass(frozen=True)
class Api:
    name: str
    title: str
    routes: Sequence[Route]
    render_error: Callable[[web.Request, Exception], web.Response]
    """Answers any exception: `HttpError`, `pydantic.ValidationError`, the domain's errors; anything else is a 500."""
    security_schemes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    preflight: HttpHandler | None = None
    """Answers OPTIONS on every path of the API: browsers ask before they let a page of another origin call it."""
