"""Identifiers as distinct types, and the rules by which they are made."""

import os
from datetime import datetime
from time import time_ns
from typing import Final, NewType
from uuid import UUID, uuid5

UploadId = NewType("UploadId", UUID)
TenantId = NewType("TenantId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
EventId = NewType("EventId", UUID)

_EVENT_NAMESPACE: Final = UUID("6f1c1d0e-5f0b-5d7e-9d4b-1a5e7c1f0a11")


def new_id() -> UUID:
    """A UUID of version 7: rows that are made one after the other lie beside each other in every index, however many there are.

    Its first 60 bits are the time, to a quarter of a microsecond; the other 62 cannot be guessed.
    https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
    """
    milliseconds, rest = divmod(time_ns(), 1_000_000)
    return UUID(int=_version_7(milliseconds, rest * 4096 // 1_000_000, _entropy.next() >> 2))


class _Entropy:
    """Random numbers of the operating system, of 64 bits each; it is asked for many at a time."""

    def __init__(self) -> None:
        self._left: list[int] = []
        os.register_at_fork(after_in_child=self._left.clear)

    def next(self) -> int:
        while True:
            try:
                return self._left.pop()
            except IndexError:
                self._left.extend(memoryview(os.urandom(8 * 128)).cast("Q"))


_entropy = _Entropy()


def first_id_of(moment: datetime) -> UUID:
    """The smallest id of version 7 that `new_id` makes at this moment or later."""
    return UUID(int=_version_7(int(moment.timestamp() * 1000), 0, 0))


def _version_7(milliseconds: int, fraction: int, random: int) -> int:
    return milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random


def new_upload_id() -> UploadId:
    return UploadId(new_id())


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
