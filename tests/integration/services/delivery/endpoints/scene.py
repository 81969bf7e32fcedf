"""Endpoints and the events that they are told, for the tests beside this file."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.envelope import Envelope
from contracts.events import (
    DeliveryChanged,
    Event,
    PublicationChanged,
    Stage,
    UploadEvent,
    UploadRejected,
    WebhookEndpointConfigured,
    WebhookEndpointDisabled,
    WebhookReplayRequested,
)
from contracts.ids import TenantId, UploadId, publication_id
from contracts.webhook import WebhookFormat, WebhookNews
from libs.messaging.dispatch import consumer
from libs.messaging.port import Delivery
from libs.outbox.unit_of_work import Outbox
from services.delivery.handlers import HANDLERS
from tests.integration.services.delivery.scene import BOX, TENANT, rows, said

OLD = "whsec_" + "b2xkLXNlY3JldC1vZi10aGUtZW5kcG9pbnQtMzItYnl0"
NEW = "whsec_" + "bmV3LXNlY3JldC1vZi10aGUtZW5kcG9pbnQtMzItYnl0"
ACCOUNT = UUID("22222222-2222-4222-8222-222222222222")
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@dataclass(frozen=True)
class Endpoint:
    """As its owner has it; `configured` is what the gateway says of it."""

    url: str
    id: UUID = field(default_factory=uuid4)
    tenant_id: TenantId = TENANT
    revision: int = 1
    generation: int = 1
    format: WebhookFormat = "standard"
    news: tuple[WebhookNews, ...] = ()
    secrets: tuple[str, ...] = (NEW,)
    enabled: bool = True
    listens_since: datetime = LONG_AGO
    removed: bool = False

    def configured(self) -> WebhookEndpointConfigured:
        return WebhookEndpointConfigured(
            endpoint_id=self.id, tenant_id=self.tenant_id, revision=self.revision, generation=self.generation, url=self.url,
            format=self.format, news=self.news, secrets_encrypted=tuple(map(BOX.seal, self.secrets)), enabled=self.enabled,
            listens_since=self.listens_since, removed=self.removed,
        )  # fmt: skip

    def changed(self, **changes: Any) -> "Endpoint":
        return replace(self, revision=self.revision + 1, **changes)


def closed(event_type: type[UploadEvent], upload_id: UploadId, version: Stage = Stage.CLOSED, **fields: Any) -> UploadEvent:
    return event_type.model_validate({"upload_id": upload_id, "tenant_id": TENANT, "version": version, **fields})


def rejected(upload_id: UploadId) -> UploadEvent:
    return closed(UploadRejected, upload_id, code="too_large", message="It has 11 bytes.")


def published(upload_id: UploadId, status: str, sequence: int, **fields: Any) -> PublicationChanged:
    return PublicationChanged.model_validate({
        "publication_id": publication_id(upload_id, ACCOUNT), "upload_id": upload_id, "tenant_id": TENANT,
        "account_id": ACCOUNT, "sequence": sequence, "status": status, "changed_at": datetime.now(UTC), **fields,
    })  # fmt: skip


def replay(endpoint: Endpoint, *, delivery_id: UUID | None = None, since: datetime | None = None) -> WebhookReplayRequested:
    return WebhookReplayRequested(
        replay_id=uuid4(), endpoint_id=endpoint.id, tenant_id=TENANT, delivery_id=delivery_id, since=since
    )


async def happened_at(outbox: Outbox, event: Event, at: datetime) -> None:
    """The event reaches delivery now and says that it happened `at`."""
    envelope = Envelope.of(event, source="test", correlation_id="4bf92f3577b34da6a3ce929d0e0e4736")
    outcomes = await consumer(outbox, HANDLERS)([Delivery(envelope.model_copy(update={"time": at}))])
    assert list(outcomes) == [None]


async def webhooks(outbox: Outbox) -> list[dict[str, Any]]:
    """All of them, in the order of their creation."""
    return await rows(outbox, "SELECT * FROM webhooks ORDER BY created_at, id")


async def changes(outbox: Outbox) -> list[DeliveryChanged]:
    return [event for event in [e.event() for e in await said(outbox)] if isinstance(event, DeliveryChanged)]


async def given_up(outbox: Outbox) -> list[WebhookEndpointDisabled]:
    return [event for event in [e.event() for e in await said(outbox)] if isinstance(event, WebhookEndpointDisabled)]
