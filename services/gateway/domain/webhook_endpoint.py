"""A tenant's webhook endpoint: where news of its uploads goes, and who may still believe that it comes from here."""

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from contracts.events import WebhookEndpointConfigured
from contracts.ids import TenantId
from contracts.webhook import WebhookFormat, WebhookNews, news_named

DisabledReason = Literal["owner", "gone", "failing"]
"""Its owner asked for it; it answered 410; for days it answered nothing but failures."""


@dataclass(frozen=True)
class WebhookEndpoint:
    id: UUID
    tenant_id: TenantId
    url: str
    description: str
    format: WebhookFormat
    events: tuple[str, ...]
    """In the words of the format; empty: everything."""
    secret_sealed: str = field(repr=False)
    old_secret_sealed: str | None = field(repr=False)
    """Signs, too, until it is revoked."""
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    listens_since: datetime
    """It is told nothing that happened before."""
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    generation: int = 1

    def changed(self, changes: dict[str, Any], now: datetime) -> "WebhookEndpoint":
        """`changes`: some of `url`, `description`, `events` and `enabled`."""
        after = replace(self, **changes)
        if after.enabled != self.enabled:
            after = after._enabled(now) if after.enabled else after._disabled("owner", now)
        if after.url != self.url:
            after = replace(after, generation=after.generation + 1)
        return after._next(now)

    def rotated(self, secret_sealed: str, now: datetime) -> "WebhookEndpoint":
        """With a new secret; the present one becomes the old one."""
        return replace(self, secret_sealed=secret_sealed, old_secret_sealed=self.secret_sealed)._next(now)

    def revoked(self, now: datetime) -> "WebhookEndpoint":
        """Without its old secret."""
        return replace(self, old_secret_sealed=None)._next(now)

    def given_up(self, reason: DisabledReason, at: datetime, now: datetime) -> "WebhookEndpoint":
        return self._disabled(reason, at)._next(now)

    def configured(self, *, removed: bool = False) -> WebhookEndpointConfigured:
        secrets_sealed = (self.secret_sealed, self.old_secret_sealed)
        return WebhookEndpointConfigured(
            endpoint_id=self.id, tenant_id=self.tenant_id, revision=self.revision + removed, generation=self.generation,
            url=self.url, format=self.format, news=self._news(),
            secrets_encrypted=() if removed else tuple(filter(None, secrets_sealed)),
            enabled=self.enabled, listens_since=self.listens_since, removed=removed,
        )  # fmt: skip

    def _news(self) -> tuple[WebhookNews, ...]:
        return tuple(news for name in self.events for news in news_named(self.format, name))

    def _enabled(self, now: datetime) -> "WebhookEndpoint":
        return replace(
            self, enabled=True, disabled_reason=None, disabled_at=None, listens_since=now, generation=self.generation + 1
        )

    def _disabled(self, reason: DisabledReason, at: datetime) -> "WebhookEndpoint":
        return replace(self, enabled=False, disabled_reason=reason, disabled_at=at)

    def _next(self, now: datetime) -> "WebhookEndpoint":
        return replace(self, revision=self.revision + 1, updated_at=now)


def new_webhook_secret() -> str:
    """`whsec_` and 32 bytes: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
