"""What the ends of attempts mean for the endpoints that they went to."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from contracts.events import WebhookEndpointDisabled
from libs.outbox.unit_of_work import UnitOfWork
from services.delivery import metrics
from services.delivery.domain.endpoint import standing_after
from services.delivery.endpoints.store import EndpointStore
from services.delivery.store import Result

log = structlog.get_logger()


async def judge_endpoints(results: Sequence[Result], work: UnitOfWork, patience: timedelta) -> None:
    """Remembers since when an endpoint fails; gives up, and says so, the one that fails for `patience` or is gone."""
    by_endpoint: dict[UUID, list[Result]] = defaultdict(list)
    for result in results:
        if result.claimed.webhook.endpoint_id is not None:
            by_endpoint[result.claimed.webhook.endpoint_id].append(result)
    if not by_endpoint:
        return
    store, now = EndpointStore(work.connection), datetime.now(UTC)
    failed = [known for known, ended in by_endpoint.items() if not all(result.attempt.is_success for result in ended)]
    for standing in await store.standings(list(by_endpoint), failed):
        attempts = [r.attempt for r in by_endpoint[standing.endpoint_id] if r.claimed.generation == standing.generation]
        after, reason = standing_after(standing, attempts, now, patience)
        if after != standing or reason:
            await store.keep_standing(after, given_up=reason is not None)
        if reason:
            work.emit(WebhookEndpointDisabled(
                endpoint_id=standing.endpoint_id, tenant_id=standing.tenant_id, generation=standing.generation,
                reason=reason, disabled_at=now,
            ))  # fmt: skip
            metrics.GIVEN_UP.labels(reason).inc()
            log.warning("webhook_endpoint.given_up", endpoint_id=str(standing.endpoint_id), reason=reason)
