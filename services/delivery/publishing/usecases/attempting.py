"""One attempt: the account opened, its connector called, what that said taken apart."""

from dataclasses import dataclass
from pathlib import PurePosixPath

import orjson
from cryptography.fernet import InvalidToken

from contracts.events import JsonObject
from libs.jobs.lease import LeaseLostError
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import SecretBox
from services.delivery.publishing.connectors.port import Connector, Entry, File
from services.delivery.publishing.connectors.registry import Registry
from services.delivery.publishing.domain.error import PublishError
from services.delivery.publishing.domain.name import safe_name
from services.delivery.publishing.domain.outcome import Published
from services.delivery.publishing.domain.publication import Claimed
from services.delivery.publishing.store import PublicationStore

UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Attempting:
    store: ObjectStore
    secrets: SecretBox
    registry: Registry
    outbox: Outbox
    lease_seconds: float

    def checkpoint(self, claimed: Claimed) -> "SealedCheckpoint":
        """What earlier attempts left, and the coming one will."""
        return SealedCheckpoint(claimed, self.outbox, self.lease_seconds, self.secrets)

    async def publish(self, claimed: Claimed, checkpoint: "SealedCheckpoint") -> Published:
        """Raises PublishError, FileGoneError, LeaseLostError and the store's errors."""
        connector, stored = self._connector(claimed), claimed.file.stored
        assert stored is not None, "without a file nothing is due"
        file = File(self.store, stored.key, stored.size_bytes, stored.content_type or UNKNOWN_TYPE)
        return await connector.publish(entry_of(claimed), file, checkpoint)

    async def give_up(self, claimed: Claimed, state: JsonObject | None) -> None:
        """`state`: what the last attempt left. Raises whatever goes wrong; it does not matter much."""
        await self._connector(claimed).give_up(entry_of(claimed), state)

    def _connector(self, claimed: Claimed) -> Connector:
        try:
            settings = orjson.loads(self.secrets.open(claimed.account.sealed_settings))
        except (InvalidToken, ValueError):
            raise PublishError("account_settings_invalid") from None
        return self.registry.connector(claimed.account.kind, settings)


class SealedCheckpoint:
    """`Checkpoint` in the publication's row; a destination's session may be worth as much as a password."""

    def __init__(self, claimed: Claimed, outbox: Outbox, lease_seconds: float, secrets: SecretBox) -> None:
        self._claimed = claimed
        self._outbox = outbox
        self._lease_seconds = lease_seconds
        self._secrets = secrets
        self._state = _opened(claimed.sealed_state, secrets)

    @property
    def state(self) -> JsonObject | None:
        return self._state

    async def save(self, state: JsonObject) -> None:
        """Raises LeaseLostError."""
        sealed = self._secrets.seal(orjson.dumps(state).decode())
        async with self._outbox.database.connection() as connection:
            if not await PublicationStore(connection).save_state(self._claimed, sealed, self._lease_seconds):
                raise LeaseLostError
        self._state = state


def entry_of(claimed: Claimed) -> Entry:
    request, stored = claimed.request, claimed.file.stored
    extension = PurePosixPath(stored.key).suffix if stored else ""
    name = request.file_name or claimed.file.file_name or f"{request.upload_id}{extension}"
    return Entry(
        publication_id=claimed.publication.id, upload_id=request.upload_id, tenant_id=request.tenant_id,
        title=request.title, description=request.description, tags=request.tags, file_name=safe_name(name),
        youtube=request.youtube,
    )  # fmt: skip


def _opened(sealed: str | None, secrets: SecretBox) -> JsonObject | None:
    """What cannot be read is begun again."""
    try:
        state = orjson.loads(secrets.open(sealed)) if sealed else None
    except (InvalidToken, ValueError):
        return None
    return state if isinstance(state, dict) else None
