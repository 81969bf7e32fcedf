"""What the ends of attempts mean for the endpoints that they went to."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from contracts.events import WebhookEndpointDisabled
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery import metrics
from services.delivery.domain.endpoint import EndpointHealth, Reason, health_after
from services.delivery.endpoints.store import EndpointStore
from services.delivery.store import Result

log = structlog.get_logger()


async def evaluate_endpoint_health(results: Sequence[Result], work: UnitOfWork, failure_window: timedelta) -> None:
    """Remembers since when an endpoint fails; disables the one that has for `failure_window` or is gone, and says so."""
    by_endpoint: dict[UUID, list[Result]] = defaultdict(list)
    for result in results:
        if result.claimed.webhook.endpoint_id is not None:
            by_endpoint[result.claimed.webhook.endpoint_id].append(result)
    if not by_endpoint:
        return
    store = EndpointStore(work.connection)
    failed = [known for known, ended in by_endpoint.items() if not all(result.attempt.is_success for result in ended)]
    changed: list[tuple[EndpointHealth, Reason | None]] = []
    now, known = await store.load_health(list(by_endpoint), failed)
    for health in known:
        attempts = [r.attempt for r in by_endpoint[health.endpoint_id] if r.claimed.generation == health.generation]
        after, reason = health_after(health, attempts, now, failure_window)
        if after != health or reason:
            changed.append((after, reason))
    if changed:
        await store.save_health([health for health, _ in changed], [health.endpoint_id for health, reason in changed if reason])
    for health, reason in changed:
        if reason:
            _disable(health, reason, now, work)


def _disable(health: EndpointHealth, reason: Reason, now: datetime, work: UnitOfWork) -> None:
    work.emit(WebhookEndpointDisabled(
        endpoint_id=health.endpoint_id, tenant_id=health.tenant_id, generation=health.generation,
        reason=reason, disabled_at=now,
    ))  # fmt: skip
    metrics.DISABLED.labels(reason).inc()
    log.warning("webhook_endpoint.disabled", endpoint_id=str(health.endpoint_id), reason=reason)
