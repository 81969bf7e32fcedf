"""The bodies of endpoints' webhooks. Each is written once; repetitions and replays send the same bytes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from contracts.events import JsonObject
from contracts.ids import DeliveryId
from contracts.webhook import WebhookFormat

API_VERSION: Final = "1"
TOKEN_CHARACTERS: Final = 50


@dataclass(frozen=True)
class WebhookMessage:
    id: DeliveryId
    event: str
    """In the words of the format."""
    happened_at: datetime
    data: JsonObject


def written(message: WebhookMessage, webhook_format: WebhookFormat) -> bytes:
    return orjson.dumps(_FORMATS[webhook_format](message))


def _standard(message: WebhookMessage) -> JsonObject:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure"""
    at = message.happened_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": message.event, "timestamp": at, "data": message.data}


def _medialab(message: WebhookMessage) -> JsonObject:
    """https://medialab.co/developers/webhooks; `adapters.signature` fills the signature in, for that takes the secret."""
    upload = message.data.get("upload")
    return {
        "signature": {
            "timestamp": str(int(message.happened_at.timestamp())),
            "token": hashlib.sha256(message.id.bytes).hexdigest()[:TOKEN_CHARACTERS],
            "signature": "",
        },
        "id": str(message.id),
        "event": message.event,
        "api_version": API_VERSION,
        "data": ({"file_id": upload["id"]} if upload else {}) | message.data,
    }


_FORMATS: Final[Mapping[WebhookFormat, Callable[[WebhookMessage], JsonObject]]] = {"standard": _standard, "medialab": _medialab}
