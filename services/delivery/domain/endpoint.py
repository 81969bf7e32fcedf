"""A tenant's webhook endpoint: what it is told, and when it is disabled."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from contracts.ids import TenantId
from contracts.webhook import WebhookFormat
from services.delivery.domain.webhook import GONE, OUR_ERRORS, Attempt

Reason = Literal["gone", "failing"]

REPLAYS: Final = "webhook-replays"
"""The wake-up of whoever makes webhooks due once more."""


@dataclass(frozen=True)
class Endpoint:
    id: UUID
    tenant_id: TenantId
    url: str
    receiver: str
    format: WebhookFormat
    news: frozenset[str]
    """What it is told; empty: everything."""
    listens_since: datetime

    def listens_for(self, news: str, happened_at: datetime) -> bool:
        return self.listens_since <= happened_at and (not self.news or news in self.news)


@dataclass(frozen=True)
class EndpointHealth:
    """How an endpoint that listens has fared."""

    endpoint_id: UUID
    tenant_id: TenantId
    generation: int
    failing_since: datetime | None = None
    """The first failure since the last success."""


def health_after(
    health: EndpointHealth, attempts: Iterable[Attempt], now: datetime, failure_window: timedelta
) -> tuple[EndpointHealth, Reason | None]:
    """After attempts that ended together, and why the endpoint is disabled, where it is.

    One success excuses all failures beside it, but for a 410: that one asks never to be called again.
    """
    judged = [attempt for attempt in attempts if attempt.error not in OUR_ERRORS]
    if not judged:
        return health, None
    gone = any(attempt.response_status == GONE for attempt in judged)
    if any(attempt.is_success for attempt in judged):
        return replace(health, failing_since=None), "gone" if gone else None
    after = replace(health, failing_since=health.failing_since or now)
    assert after.failing_since is not None
    if gone:
        return after, "gone"
    return after, "failing" if now - after.failing_since >= failure_window else None
