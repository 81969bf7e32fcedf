"""`/platform/v1/webhook-endpoints`: where news of a tenant's uploads goes."""

from typing import Final

from aiohttp import web

from libs.web.problem import CONTENT_TYPE, UNAVAILABLE, Problem, problem, problem_error
from libs.web.route import Answer, Api, Parameter, Route
from services.gateway.auth import HEADER
from services.gateway.deps import Deps
from services.gateway.domain.error import InsufficientRoleError, UnknownKeyError
from services.gateway.platform.webhook_delivery import EndpointDeliveries
from services.gateway.platform.webhook_endpoint import Endpoints
from services.gateway.platform.webhook_endpoint_schema import (
    EndpointChange,
    EndpointDeliveryPage,
    EndpointPage,
    EndpointRequest,
    EndpointView,
    EndpointWithSecret,
    PingView,
    ReplayRequest,
    ReplayView,
)

PATH: Final = "/platform/v1/webhook-endpoints"
ONE: Final = f"{PATH}/{{endpoint_id}}"

_REFUSED: Final = {
    401: Answer("No valid API key.", Problem, CONTENT_TYPE, {"WWW-Authenticate": "`ApiKey`"}),
    403: Answer("The role is neither `manager` nor `admin`.", Problem, CONTENT_TYPE),
    503: UNAVAILABLE,
}
_MALFORMED: Final = {400: Answer("The request is not as documented.", Problem, CONTENT_TYPE)}
_UNREADABLE: Final = {
    **_MALFORMED,
    **{
        status: Answer(text, Problem, CONTENT_TYPE)
        for status, text in {408: "The body did not arrive in time.", 413: "Too large.", 415: "Not JSON."}.items()
    },
}
_MISSING: Final = {404: Answer("No such webhook endpoint.", Problem, CONTENT_TYPE)}
_PAGING: Final = (
    Parameter("limit", "query", "How many at most; 20 where not given.",
              schema={"type": "integer", "minimum": 1, "maximum": 100}),
    Parameter("cursor", "query", "`next_cursor` of the page before.", schema={"type": "string", "maxLength": 120}),
)  # fmt: skip
_STATUS: Final = Parameter(
    "status", "query", "Only deliveries that are so far.",
    schema={"type": "string", "enum": ["pending", "retrying", "delivered", "failed"]},
)  # fmt: skip


def api(deps: Deps) -> Api:
    endpoints = Endpoints(deps)
    return Api(
        name="webhook-endpoints",
        title="Webhook endpoints",
        routes=[*_registry(endpoints), *_secrets(endpoints), *_deliveries(EndpointDeliveries(endpoints))],
        render_error=_render_error,
        security_schemes={"api_key": {"type": "apiKey", "in": "header", "name": HEADER}},
    )


def _registry(endpoints: Endpoints) -> list[Route]:
    security = ("api_key",)
    return [
        Route(
            "POST", PATH, endpoints.create, "create_webhook_endpoint", "Have news of uploads sent to a URL",
            {201: Answer("The endpoint and, this once, the secret that signs.", EndpointWithSecret),
             409: Answer("There are too many.", Problem, CONTENT_TYPE), **_UNREADABLE, **_REFUSED},
            body=EndpointRequest, security=security,
        ),
        Route(
            "GET", PATH, endpoints.list, "list_webhook_endpoints", "Webhook endpoints, newest first",
            {200: Answer("One page.", EndpointPage), **_MALFORMED, **_REFUSED}, parameters=_PAGING, security=security,
        ),
        Route(
            "GET", ONE, endpoints.show, "get_webhook_endpoint", "One webhook endpoint",
            {200: Answer("The endpoint.", EndpointView), **_MISSING, **_REFUSED}, security=security,
        ),
        Route(
            "PATCH", ONE, endpoints.change, "update_webhook_endpoint",
            "Change, disable or enable a webhook endpoint; what is not given stays",
            {200: Answer("The endpoint as it is now.", EndpointView), **_UNREADABLE, **_MISSING, **_REFUSED},
            body=EndpointChange, security=security,
        ),
        Route(
            "DELETE", ONE, endpoints.remove, "remove_webhook_endpoint", "Remove a webhook endpoint with its log",
            {204: Answer("It is told nothing more."), **_MISSING, **_REFUSED}, security=security,
        ),
    ]  # fmt: skip


def _secrets(endpoints: Endpoints) -> list[Route]:
    security = ("api_key",)
    return [
        Route(
            "POST", f"{ONE}/rotate-secret", endpoints.rotate_secret, "rotate_webhook_secret",
            "Make a new secret; the old one signs, too, until it is revoked",
            {200: Answer("The endpoint and, this once, its new secret.", EndpointWithSecret),
             409: Answer("Two secrets are live already.", Problem, CONTENT_TYPE), **_MISSING, **_REFUSED},
            security=security,
        ),
        Route(
            "POST", f"{ONE}/revoke-secret", endpoints.revoke_secret, "revoke_webhook_secret",
            "Revoke the old secret; nothing changes where there is none",
            {200: Answer("The endpoint, with one secret.", EndpointView), **_MISSING, **_REFUSED}, security=security,
        ),
    ]  # fmt: skip


def _deliveries(deliveries: EndpointDeliveries) -> list[Route]:
    security = ("api_key",)
    disabled = {409: Answer("The endpoint is disabled.", Problem, CONTENT_TYPE)}
    return [
        Route(
            "GET", f"{ONE}/deliveries", deliveries.list, "list_webhook_deliveries", "What was delivered to it, newest first",
            {200: Answer("One page.", EndpointDeliveryPage), **_MALFORMED, **_MISSING, **_REFUSED},
            parameters=(_STATUS, *_PAGING), security=security,
        ),
        Route(
            "POST", f"{ONE}/replay", deliveries.replay, "replay_webhooks",
            "Send one delivery once more, or all that have failed since a time: under the same ids, with the same bytes",
            {202: Answer("They will be sent.", ReplayView), **_UNREADABLE, **_MISSING, **disabled, **_REFUSED},
            body=ReplayRequest, security=security,
        ),
        Route(
            "POST", f"{ONE}/ping", deliveries.ping, "ping_webhook_endpoint", "Send a test of the event `ping`",
            {202: Answer("It will be sent.", PingView), **_MISSING, **disabled, **_REFUSED}, security=security,
        ),
    ]  # fmt: skip


def _render_error(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, UnknownKeyError):
        response = problem(401, error.code, "The X-API-Key header holds no valid API key.")
        response.headers["WWW-Authenticate"] = "ApiKey"
        return response
    if isinstance(error, InsufficientRoleError):
        return problem(403, error.code, error.message)
    return problem_error(request, error)
