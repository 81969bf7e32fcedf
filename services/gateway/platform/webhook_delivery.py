"""What was delivered to a webhook endpoint, what shall be sent once more, and a test."""

from aiohttp import web

from contracts.events import WebhookPingRequested, WebhookReplayRequested
from contracts.ids import new_id
from libs.web.request import parse_query, read_json
from libs.web.route import HttpError, NotFoundError
from services.gateway.domain.webhook_endpoint import WebhookEndpoint
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.webhook_endpoint import Endpoints, found_endpoint, json_answer, position
from services.gateway.platform.webhook_endpoint_schema import (
    DeliveryListQuery,
    EndpointDeliveryPage,
    PingView,
    ReplayRequest,
    ReplayView,
    to_delivery,
)
from services.gateway.store import DeliveryLogStore


class EndpointDisabledError(HttpError):
    """Nothing is sent to it."""

    status = 409
    code = "endpoint_disabled"


class EndpointDeliveries:
    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def list(self, request: web.Request) -> web.StreamResponse:
        principal = await self._endpoints.principal(request)
        query = parse_query(request, DeliveryListQuery)
        async with self._endpoints.transaction() as work:
            endpoint = await found_endpoint(work, principal, request)
            found = await DeliveryLogStore(work.connection).newest(
                endpoint.id, status=query.status, before=position(query), limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return json_answer(EndpointDeliveryPage(deliveries=[to_delivery(one) for one in page], next_cursor=more))

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """Raises NotFoundError where the log does not show the delivery."""
        principal = await self._endpoints.principal(request)
        body = await read_json(request, ReplayRequest)
        async with self._endpoints.transaction() as work:
            endpoint = _enabled(await found_endpoint(work, principal, request))
            log = DeliveryLogStore(work.connection)
            if body.delivery_id is not None and not await log.is_logged(endpoint.id, body.delivery_id):
                raise NotFoundError("There is no such delivery.")
            event = WebhookReplayRequested(
                replay_id=new_id(),
                endpoint_id=endpoint.id,
                tenant_id=endpoint.tenant_id,
                delivery_id=body.delivery_id,
                since=body.since,
            )
            work.emit(event)
        return json_answer(ReplayView(replay_id=event.replay_id), 202)

    async def ping(self, request: web.Request) -> web.StreamResponse:
        principal = await self._endpoints.principal(request)
        async with self._endpoints.transaction() as work:
            endpoint = _enabled(await found_endpoint(work, principal, request))
            event = WebhookPingRequested(delivery_id=new_id(), endpoint_id=endpoint.id, tenant_id=endpoint.tenant_id)
            work.emit(event)
        return json_answer(PingView(delivery_id=event.delivery_id), 202)


def _enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Raises EndpointDisabledError."""
    if not endpoint.enabled:
        raise EndpointDisabledError("The webhook endpoint is disabled: enable it first.")
    return endpoint
