"""Notifications that the store publishes into a queue."""

from collections.abc import Awaitable, Callable

import orjson
import structlog

from services.storage_notification.metric import RECORDS
from services.storage_notification.usecases import Receipt

log = structlog.get_logger()


def taking(receive: Callable[[object], Awaitable[Receipt]]) -> Callable[[bytes], Awaitable[None]]:
    """A consumer of raw messages. What is not JSON is counted and done with: no redelivery makes it better."""

    async def take(body: bytes) -> None:
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            RECORDS.labels("malformed").inc()
            log.warning("notification.malformed", bytes=len(body))
            return
        await receive(payload)

    return take
