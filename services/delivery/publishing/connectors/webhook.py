"""Whoever takes signed links instead of files: a JSON message with title, metadata and a link that works for some time.

Signed like every webhook of ours (Standard Webhooks 1.0.0), with the account's own secret; `webhook-id` is the publication's
id, the same at each attempt, by which the receiver knows repetitions.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from standardwebhooks.webhooks import Webhook as Signer

from contracts.account import WebhookAccount
from contracts.events import JsonObject
from libs.egress.client import EgressError, GuardedClient
from libs.observability.tracing import current_traceparent
from libs.web.signed_link import LinkSigner
from services.delivery.publishing.connectors.answer import failure_of, is_success, no_answer
from services.delivery.publishing.connectors.port import Checkpoint, Entry, File
from services.delivery.publishing.domain.outcome import Published

EVENT: Final = "file.published"
KEEP_BYTES: Final = 1024


@dataclass(frozen=True)
class WebhookConnector:
    settings: WebhookAccount
    client: GuardedClient
    links: LinkSigner

    async def publish(self, entry: Entry, file: File, checkpoint: Checkpoint) -> Published:
        """As `Connector.publish`. There is no external id."""
        now = datetime.now(UTC)
        body = orjson.dumps(self._message(entry, file, now))
        try:
            answer = await self.client.post(self.settings.url, body, self._headers(entry, body, now), keep_bytes=KEEP_BYTES)
        except EgressError as error:
            raise no_answer(error) from None
        if not is_success(answer):
            raise failure_of(answer)
        return Published()

    async def give_up(self, entry: Entry, state: JsonObject | None) -> None:
        """Links end by themselves."""

    def _message(self, entry: Entry, file: File, now: datetime) -> JsonObject:
        ends_at = (now + timedelta(seconds=self.settings.link_seconds)).replace(microsecond=0)
        return {
            "type": EVENT,
            "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "data": {
                "publication_id": str(entry.publication_id),
                "upload_id": str(entry.upload_id),
                "title": entry.title,
                "description": entry.description,
                "tags": list(entry.tags),
                "file": {
                    "name": entry.file_name,
                    "size_bytes": file.size_bytes,
                    "content_type": file.content_type,
                    "url": self.links.url(entry.upload_id, ends_at),
                    "url_expires_at": ends_at.isoformat().replace("+00:00", "Z"),
                },
            },
        }

    def _headers(self, entry: Entry, body: bytes, now: datetime) -> dict[str, str]:
        identity = str(entry.publication_id)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(self.settings.secret.get_secret_value()).sign(identity, now, body.decode()),
        }
        traceparent = current_traceparent()
        return headers | ({"traceparent": traceparent} if traceparent else {})
