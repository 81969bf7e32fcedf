"""One attempt to hand a webhook to its receiver: signed as its format says, through the egress guard."""

import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter
from typing import Final

import structlog
from cryptography.fernet import InvalidToken
from opentelemetry.trace import SpanKind

from libs.egress.client import Answer, EgressError, GuardedClient
from libs.observability.tracing import current_traceparent, span
from libs.runtime.secret import SecretBox
from services.delivery.adapters.signature import body_of, headers_of
from services.delivery.domain.schedule import retry_after_seconds
from services.delivery.domain.webhook import THROTTLED, Attempt, Webhook

log = structlog.get_logger()

READ_BYTES: Final = 16 * 1024
EXCERPT_CHARACTERS: Final = 2048
SECRETS: Final = 256
"""That stay decrypted in memory, each found by its ciphertext alone."""


class Receivers:
    def __init__(self, client: GuardedClient, secrets: SecretBox) -> None:
        self._client = client
        self._decrypt = lru_cache(SECRETS)(secrets.open)

    async def send(self, webhook: Webhook, encrypted_secrets: Sequence[str]) -> Attempt:
        """Never raises for the receiver's sake: what went wrong is in the attempt."""
        with span("webhook.send", headers=_carrier(webhook), kind=SpanKind.CLIENT):
            started_at, start = datetime.now(UTC), perf_counter()
            try:
                secrets = [self._decrypt(encrypted) for encrypted in encrypted_secrets]
                sent = replace(webhook, body=body_of(webhook, secrets))
                headers = headers_of(sent, secrets, started_at, current_traceparent())
                answer = await self._client.post(sent.url, sent.body, headers, keep_bytes=READ_BYTES)
            except EgressError as error:
                return Attempt(started_at, _ms_since(start), error=error.code, detail=str(error))
            except (InvalidToken, ValueError) as error:
                return Attempt(started_at, _ms_since(start), error="secret_unreadable", detail=type(error).__name__)
            except Exception as error:  # our own mistake must not cost the webhook its attempts' record
                log.error(  # its words are not logged: they may name the address
                    "webhook.send_failed", error=type(error).__name__, traceback=traceback.format_tb(error.__traceback__)
                )
                return Attempt(started_at, _ms_since(start), error="internal", detail=type(error).__name__)
            return _answered(answer, started_at, _ms_since(start))


def _answered(answer: Answer, started_at: datetime, elapsed_ms: int) -> Attempt:
    asked = answer.headers.get("Retry-After") if answer.status in THROTTLED else None
    return Attempt(
        started_at,
        elapsed_ms,
        response_status=answer.status,
        excerpt=answer.body.decode(errors="replace").replace("\x00", "")[:EXCERPT_CHARACTERS],
        asked_seconds=retry_after_seconds(asked, started_at),
    )


def _carrier(webhook: Webhook) -> dict[str, str]:
    return {"traceparent": webhook.traceparent} if webhook.traceparent else {}


def _ms_since(start: float) -> int:
    return round((perf_counter() - start) * 1000)
