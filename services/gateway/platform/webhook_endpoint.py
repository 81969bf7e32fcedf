"""A tenant makes, reads, changes and removes its webhook endpoints, and their secrets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from contracts.ids import new_id
from contracts.webhook import NAMES, WebhookFormat
from libs.egress.url import UrlRefusedError, check_host
from libs.outbox.unit_of_work import UnitOfWork
from libs.web.request import parse_query, read_json
from libs.web.route import HttpError, NotFoundError
from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.domain.role import Permission
from services.gateway.domain.webhook_endpoint import WebhookEndpoint, new_webhook_secret
from services.gateway.platform.cursor import Cursor
from services.gateway.platform.webhook_endpoint_schema import (
    EndpointChange,
    EndpointListQuery,
    EndpointPage,
    EndpointRequest,
    to_view,
    with_secret,
)
from services.gateway.store import WebhookEndpointStore

DATABASE_SECONDS: Final = 10
MAX_ENDPOINTS: Final = 20
"""Each event of an upload may be told to all of them."""


class UrlNotAcceptedError(HttpError):
    """No webhook would be sent there."""

    code = "url_not_accepted"


class UnknownEventError(HttpError):
    """The format has no event of this name."""

    code = "unknown_event"


class TooManyEndpointsError(HttpError):
    status = 409
    code = "too_many_endpoints"


class OldSecretLivesError(HttpError):
    """Two secrets are live already."""

    status = 409
    code = "old_secret_lives"


class Endpoints:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def create(self, request: web.Request) -> web.StreamResponse:
        principal = await self.principal(request)
        body = await read_json(request, EndpointRequest)
        _check_events(body.format, body.events)
        await self._check_url(body.url)
        secret = new_webhook_secret()
        endpoint = self._new(principal, body, secret)
        async with self.transaction() as work:
            store = WebhookEndpointStore(work.connection)
            if await store.count_alone(principal.tenant_id) >= MAX_ENDPOINTS:
                raise TooManyEndpointsError(f"A tenant has at most {MAX_ENDPOINTS} webhook endpoints.")
            await store.insert(endpoint)
            work.emit(endpoint.configured())
        return json_answer(with_secret(endpoint, secret), 201)

    async def list(self, request: web.Request) -> web.StreamResponse:
        principal = await self.principal(request)
        query = parse_query(request, EndpointListQuery)
        async with self.transaction() as work:
            found = await WebhookEndpointStore(work.connection).newest(
                principal.tenant_id, before=position(query), limit=query.limit + 1
            )
        page = found[: query.limit]
        more = str(Cursor(page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
        return json_answer(EndpointPage(endpoints=[to_view(endpoint) for endpoint in page], next_cursor=more))

    async def show(self, request: web.Request) -> web.StreamResponse:
        principal = await self.principal(request)
        async with self.transaction() as work:
            return json_answer(to_view(await found_endpoint(work, principal, request)))

    async def change(self, request: web.Request) -> web.StreamResponse:
        principal = await self.principal(request)
        body = await read_json(request, EndpointChange)
        changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
        if body.url is not None:
            await self._check_url(body.url)

        def changed(endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
            if body.events is not None:
                _check_events(endpoint.format, body.events)
                changes["events"] = tuple(body.events)
            return endpoint.changed(changes, now)

        return json_answer(to_view(await self._update(principal, request, changed)))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Its log goes with it; what was still to be sent is not."""
        principal = await self.principal(request)
        async with self.transaction() as work:
            endpoint = await found_endpoint(work, principal, request, lock=True)
            await WebhookEndpointStore(work.connection).delete(endpoint.id)
            work.emit(endpoint.configured(removed=True))
        return web.Response(status=204)

    async def rotate_secret(self, request: web.Request) -> web.StreamResponse:
        """From now on both sign, until the old one is revoked."""
        principal = await self.principal(request)
        secret = new_webhook_secret()

        def rotated(endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
            if endpoint.old_secret_sealed is not None:
                raise OldSecretLivesError("Two secrets are live already: revoke the old one first.")
            return endpoint.rotated(self._deps.secrets_box.seal(secret), now)

        return json_answer(with_secret(await self._update(principal, request, rotated), secret))

    async def revoke_secret(self, request: web.Request) -> web.StreamResponse:
        """The old one; nothing changes where there is none."""
        principal = await self.principal(request)

        def revoked(endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
            return endpoint.revoked(now) if endpoint.old_secret_sealed is not None else endpoint

        return json_answer(to_view(await self._update(principal, request, revoked)))

    async def principal(self, request: web.Request) -> Principal:
        return await self._deps.auth.principal(request.headers, Permission.MANAGE)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        async with asyncio.timeout(DATABASE_SECONDS), self._deps.outbox.unit_of_work() as work:
            yield work

    async def _update(
        self, principal: Principal, request: web.Request, change: Callable[[WebhookEndpoint, datetime], WebhookEndpoint]
    ) -> WebhookEndpoint:
        async with self.transaction() as work:
            known = await found_endpoint(work, principal, request, lock=True)
            endpoint = change(known, self._deps.clock().astimezone(UTC))
            if endpoint != known:
                await WebhookEndpointStore(work.connection).update(endpoint)
                work.emit(endpoint.configured())
        return endpoint

    def _new(self, principal: Principal, body: EndpointRequest, secret: str) -> WebhookEndpoint:
        now = self._deps.clock().astimezone(UTC)
        return WebhookEndpoint(
            id=new_id(), tenant_id=principal.tenant_id, url=body.url, description=body.description, format=body.format,
            events=tuple(body.events), secret_sealed=self._deps.secrets_box.seal(secret), old_secret_sealed=None,
            enabled=True, disabled_reason=None, disabled_at=None, listens_since=now, created_at=now, updated_at=now,
        )  # fmt: skip

    async def _check_url(self, url: str) -> None:
        """Raises UrlNotAcceptedError."""
        try:
            await check_host(url, self._deps.egress)
        except UrlRefusedError as error:
            raise UrlNotAcceptedError(error.message) from None


async def found_endpoint(
    work: UnitOfWork, principal: Principal, request: web.Request, *, lock: bool = False
) -> WebhookEndpoint:
    """Raises NotFoundError."""
    try:
        endpoint_id = UUID(request.match_info["endpoint_id"])
    except ValueError:
        raise NotFoundError("There is no such webhook endpoint.") from None
    endpoint = await WebhookEndpointStore(work.connection).find(principal.tenant_id, endpoint_id, lock=lock)
    if endpoint is None:
        raise NotFoundError("There is no such webhook endpoint.")
    return endpoint


def position(query: EndpointListQuery) -> tuple[datetime, UUID] | None:
    """Where the page goes on. Raises InvalidCursorError."""
    cursor = Cursor.parse(query.cursor) if query.cursor else None
    return (cursor.created_at, cursor.id) if cursor else None


def json_answer(view: BaseModel, status: int = 200) -> web.Response:
    body = view.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _check_events(webhook_format: WebhookFormat, events: Sequence[str]) -> None:
    """Raises UnknownEventError."""
    known = set(NAMES[webhook_format].values())
    for event in events:
        if event not in known:
            raise UnknownEventError(f"The format `{webhook_format}` has these events: {', '.join(sorted(known))}.")
