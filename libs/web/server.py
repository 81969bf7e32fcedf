"""One aiohttp application made of APIs: routing, errors in each API's own shape, request ids, access log, metrics.

Everything that can be decided at start is: a request passes one closure around its handler and no middleware.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from time import perf_counter

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from opentelemetry.trace import SpanKind

from libs.observability.tracing import current_trace_id, span
from libs.web.form_error import NulCharacterError
from libs.web.metric import RouteMetrics
from libs.web.problem import problem_error
from libs.web.request import ENDS_CONNECTION
from libs.web.route import Api, HttpError, HttpHandler, MethodNotAllowedError, NotFoundError, Route

log = structlog.get_logger()

STATUS = web.ResponseKey("status", int)
"""In a response: the status that it stands for, where the API sends another one."""

REQUEST_ID = "X-Request-Id"
_REQUEST_ID_KEY = web.RequestKey("request_id", str)

CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the server stops: a handler that waits for something answers now."""

_UNKNOWN = Api(name="none", title="Unknown addresses", routes=(), render_error=problem_error)


def application(apis: Sequence[Api], *, subapps: Mapping[str, web.Application] | None = None) -> web.Application:
    """Mounts the routes of all APIs side by side; more literal paths win whatever the order.

    `subapps` (prefix → application) answer for themselves: their own errors, no access log. Raises ValueError when two
    routes have the same method and path.
    """
    built = web.Application(
        handler_args={
            "keepalive_timeout": 75,  # also bounds how long a request's head may take
            "lingering_time": 5,
            "max_line_size": 8190,
            "max_field_size": 8190,
            "auto_decompress": False,  # bytes are stored as they come; a compressed JSON body is refused
            "logger": _protocol_logger(),
        }
    )
    built[CLOSING] = asyncio.Event()
    built.on_shutdown.append(_close)
    built.on_response_prepare.append(_add_request_id)
    for path, routes in _by_path(apis).items():
        _mount(built, path, routes)
    for prefix, subapp in (subapps or {}).items():
        built.add_subapp(prefix, subapp)
    built.router.add_route("*", r"/{path:[\s\S]*}", _edge(_UNKNOWN, "unknown", _unknown_address))
    return built


def _by_path(apis: Sequence[Api]) -> dict[str, dict[str, tuple[Api, Route]]]:
    """Path → method → who answers."""
    paths: dict[str, dict[str, tuple[Api, Route]]] = defaultdict(dict)
    for api in apis:
        for route in api.routes:
            for path in filter(None, (route.path, route.also)):
                if route.method in paths[path]:
                    raise ValueError(f"two routes for {route.method} {path}")
                paths[path][route.method] = (api, route)
    return paths


def _mount(built: web.Application, path: str, routes: Mapping[str, tuple[Api, Route]]) -> None:
    """One resource with its methods, HEAD beside GET, and a 405 of its API for all others."""
    if "GET" in routes and "HEAD" not in routes:
        routes = {**routes, "HEAD": routes["GET"]}
    resource = built.router.add_resource(path)
    for method, (api, route) in routes.items():
        takes_query = any(parameter.location == "query" for parameter in route.parameters)
        resource.add_route(method, _edge(api, route.operation_id, route.handler, takes_query=takes_query))
    api = next(iter(routes.values()))[0]
    methods = set(routes)
    if api.preflight is not None and "OPTIONS" not in methods:
        resource.add_route("OPTIONS", _edge(api, "preflight", api.preflight))
        methods.add("OPTIONS")
    resource.add_route("*", _edge(api, "method_not_allowed", _method_not_allowed(tuple(methods))))


def _edge(api: Api, operation: str, handler: HttpHandler, *, takes_query: bool = False) -> HttpHandler:
    """What surrounds a handler: trace, errors, log line, metrics."""
    metrics = RouteMetrics(api.name, operation)
    name = f"{api.name}.{operation}"

    async def serve(request: web.Request) -> web.StreamResponse:
        started = perf_counter()
        with span(name, headers=request.headers, kind=SpanKind.SERVER):
            request[_REQUEST_ID_KEY] = trace_id = current_trace_id()
            response: web.StreamResponse
            try:
                if "%00" in request.raw_path:
                    _refuse_nul(request, takes_query)
                response = await handler(request)
            except Exception as error:
                if _client_is_gone(request, error):
                    raise
                response = _render(api, request, error)
            if request.get(ENDS_CONNECTION):
                response.force_close()
            seconds = perf_counter() - started
            status = response.get(STATUS, response.status)
            metrics.observe(status, seconds)
            log.info(
                "http.request",
                api=api.name,
                operation=operation,
                method=request.method,
                path=request.rel_url.raw_path,  # still percent-encoded: no control character reaches a terminal
                status=status,
                ms=round(seconds * 1000, 1),
                trace_id=trace_id,
            )
        return response

    return serve


def _refuse_nul(request: web.Request, takes_query: bool) -> None:
    """PostgreSQL stores no NUL: nothing is named so, and no filter can look for it."""
    if "\0" in request.path:
        raise NotFoundError("There is nothing at this address.")
    if takes_query:
        raise NulCharacterError("The query contains a NUL character.")


def _render(api: Api, request: web.Request, error: Exception) -> web.Response:
    """The API's answer to `error`; a fault of ours is logged with its traceback and tells the client nothing.

    A server that is away for a while (503) is one line: the traceback would be that of every request meanwhile.
    """
    if isinstance(error, web.HTTPException):
        error = _translated(error)
    try:
        response = api.render_error(request, error)
    except Exception:
        log.exception("http.render_failed", api=api.name)
        response = problem_error(request, error)
    status = response.get(STATUS, response.status)
    if status == 503:
        log.warning("http.unavailable", api=api.name, error=type(error).__name__)
    elif status >= 500:
        log.error("http.failed", api=api.name, error=type(error).__name__, exc_info=error)
    if isinstance(error, MethodNotAllowedError):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _translated(error: web.HTTPException) -> HttpError:
    """aiohttp's own refusals in our words, so that each API renders them in its shape."""
    translated = HttpError(error.reason)
    translated.status = error.status
    translated.code = error.reason.lower().replace(" ", "_")
    return translated


def _client_is_gone(request: web.Request, error: Exception) -> bool:
    return isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing())


def _method_not_allowed(allowed: Sequence[str]) -> HttpHandler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise MethodNotAllowedError(f"{request.method} is not allowed here.", allowed)

    return refuse


async def _unknown_address(_request: web.Request) -> web.StreamResponse:
    raise NotFoundError("There is nothing at this address.")


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


async def _add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    request_id = request.get(_REQUEST_ID_KEY)
    if request_id is not None:
        response.headers[REQUEST_ID] = request_id
    response.headers["Server"] = "Longshore"


def _protocol_logger() -> logging.Logger:
    """aiohttp logs what clients do wrong like a fault of the server; here it is one quiet line."""
    logger = logging.getLogger("longshore.http")
    if not any(isinstance(known, _QuietAboutClients) for known in logger.filters):
        logger.addFilter(_QuietAboutClients())
    return logger


class _QuietAboutClients(logging.Filter):
    """Malformed requests, and connections that end in the middle of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | ConnectionError):
            record.msg, record.args = "request broken off: %s", (type(error).__name__,)
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.exc_info = None
        return True
