"""What became of attempts: collected, and recorded together."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog

from contracts.events import DeliveryChanged
from libs.observability.tracing import span
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import TRANSIENT_ERRORS
from libs.runtime.pace import Pace
from services.delivery import metrics
from services.delivery.domain.webhook import WEBHOOKS
from services.delivery.endpoints.health import evaluate_endpoint_health
from services.delivery.store import DeliveryStore, Recorded, Result

log = structlog.get_logger()

RETRY_SECONDS = 0.5


class AttemptRecorder:
    """Writes results in sets: one transaction for all that came while the one before was under way."""

    def __init__(self, outbox: Outbox, *, failure_window: timedelta) -> None:
        self._outbox = outbox
        self._failure_window = failure_window
        self._results: list[Result] = []
        self._has_results = asyncio.Event()

    def add(self, result: Result) -> None:
        self._results.append(result)
        self._has_results.set()

    async def run(self) -> None:
        pace = Pace()
        while True:
            await self._has_results.wait()
            await pace.rest()
            try:
                with pace.batch():
                    await self.record()
            except TRANSIENT_ERRORS as error:  # the results stay; a lease that ends meanwhile makes its result void
                log.warning("webhooks.record_postponed", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def record(self) -> None:
        """Writes what the attempts so far led to, in one transaction, and says so."""
        self._has_results.clear()
        results = list(self._results)
        if not results:
            return
        try:
            recorded = await self._write(results)
        except BaseException:
            self._has_results.set()
            raise
        del self._results[: len(results)]
        for one in recorded:
            with trace_of(one):
                _log(one)

    async def _write(self, results: Sequence[Result]) -> Sequence[Recorded]:
        """Answers those whose lease still held."""
        async with self._outbox.unit_of_work() as work:
            store = DeliveryStore(work.connection)
            recorded = await store.record(results)
            if recorded:
                await store.log_attempts([one.result for one in recorded])
                await evaluate_endpoint_health([one.result for one in recorded], work, self._failure_window)
            for one in recorded:
                with trace_of(one):
                    work.emit(_changed(one))
                if one.next_attempt_at is not None:
                    work.wake(WEBHOOKS)  # whoever waits for the next due webhook has to look when that is
        return recorded


def trace_of(recorded: Recorded) -> AbstractContextManager[object]:
    """The trace of the request that registered the upload."""
    return span("webhook.recorded", headers={"traceparent": recorded.result.claimed.webhook.traceparent or ""})


def _changed(recorded: Recorded) -> DeliveryChanged:
    result = recorded.result
    webhook, attempt = result.claimed.webhook, result.attempt
    return DeliveryChanged(
        delivery_id=webhook.id, upload_id=webhook.upload_id, tenant_id=webhook.tenant_id, endpoint_id=webhook.endpoint_id,
        event=webhook.event, target=webhook.receiver, status=result.step.status, attempts=result.attempts,
        replays=webhook.replays, response_status=attempt.response_status, error=attempt.error, elapsed_ms=attempt.elapsed_ms,
        response_excerpt=attempt.excerpt if webhook.endpoint_id else None, next_attempt_at=recorded.next_attempt_at,
        changed_at=recorded.at,
    )  # fmt: skip


def _log(recorded: Recorded) -> None:
    result = recorded.result
    webhook, attempt = result.claimed.webhook, result.attempt
    if recorded.next_attempt_at is None:
        metrics.ENDED.labels(result.step.status).inc()
    write = log.info if result.step.status == "delivered" else log.warning
    write(
        f"webhook.{result.step.status}",
        webhook_id=str(webhook.id), upload_id=str(webhook.upload_id or ""), receiver=webhook.receiver, attempt=result.attempts,
        response_status=attempt.response_status, error=attempt.error, elapsed_ms=attempt.elapsed_ms,
    )  # fmt: skip
