"""Identifiers as distinct types, and the one rule by which event ids are made."""

from typing import Final, NewType
from uuid import UUID, uuid4, uuid5

UploadId = NewType("UploadId", UUID)
TenantId = NewType("TenantId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
EventId = NewType("EventId", UUID)

_EVENT_NAMESPACE: Final = UUID("6f1c1d0e-5f0b-5d7e-9d4b-1a5e7c1f0a11")


def new_upload_id() -> UploadId:
    return UploadId(uuid4())


def event_id(aggregate_id: UUID, event_type: str, number: int | str) -> EventId:
    """The id of the `number`-th event of this type about this aggregate.

    It depends on nothing else, so an event that is published again (retry, sweep, restored backup) has the id that every
    inbox already knows.
    """
    return EventId(uuid5(_EVENT_NAMESPACE, f"{aggregate_id}:{event_type}:{number}"))


def publication_id(upload_id: UUID, account_id: UUID) -> UUID:
    """Of the one publication of an upload to an account."""
    return uuid5(_EVENT_NAMESPACE, f"{upload_id}:{account_id}")


def told_id(event: EventId, endpoint_id: UUID) -> DeliveryId:
    """Of the one webhook that tells an endpoint what an event said."""
    return DeliveryId(uuid5(_EVENT_NAMESPACE, f"{event}:{endpoint_id}"))
