"""Registers uploads: projection row and events in one commit, shared by concurrent requests."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Final

from contracts.envelope import EncodedEvent
from contracts.ids import UploadId
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import RELAY, Outbox, encode_event
from libs.postgres.coalesce import Coalescer
from services.gateway.domain.error import IdTakenError, NameTakenError
from services.gateway.domain.registration import Registration
from services.gateway.store import RegistrationStore
from services.gateway.usecases.release import find_dead, release_name

PATIENCE_SECONDS: Final = 10
"""As long as other requests wait for the database: it may be the end of a long upload."""

Prepared = tuple[Registration, Sequence[EncodedEvent]]


class Registrar:
    def __init__(self, outbox: Outbox, objects: ObjectStore) -> None:
        self._outbox = outbox
        self._objects = objects
        self._inserts: Coalescer[Sequence[Prepared], set[str]] = Coalescer(self._insert, patience_seconds=PATIENCE_SECONDS)

    async def register(self, *together: Registration) -> None:
        """Returns when they are durable: all in one commit. Several `together` hold no names and no ids of a client's choice.

        Raises NameTakenError or IdTakenError, or StoreUnavailableError where that cannot be told; after TimeoutError or
        another transient error nobody knows.
        """
        source = self._outbox.database.service
        group = [(new, [encode_event(event, source=source) for event in new.events()]) for new in together]
        inserted = await self._inserts.submit(group)
        for prepared in group:
            if prepared[0].staging_key not in inserted:
                await self._resolve_conflict(prepared)

    async def _insert(self, groups: Sequence[Sequence[Prepared]]) -> Sequence[set[str]]:
        async with self._outbox.database.connection() as connection:
            inserted = await RegistrationStore(connection).insert(list(chain.from_iterable(groups)))
        self._outbox.wakeups.wake(RELAY)
        return [inserted] * len(groups)

    async def _resolve_conflict(self, prepared: Prepared) -> None:
        """The rare case: a repeated insert that had worked the first time, a dead registration's name, a taken name or id."""
        new, _ = prepared
        async with asyncio.timeout(PATIENCE_SECONDS):
            dead = await self._find_dead(new)
            async with self._outbox.unit_of_work() as work:
                store = RegistrationStore(work.connection)
                if await store.is_registered(new):
                    return
                if dead is not None:
                    await release_name(work, new.tenant_id, dead, new.registered_at)
                if not await store.insert([prepared]):
                    raise NameTakenError if new.holds_name else IdTakenError

    async def _find_dead(self, new: Registration) -> UploadId | None:
        if new.name is None or not new.holds_name:
            return None
        return await find_dead(
            self._outbox, self._objects, new.tenant_id, folder=new.folder, name=new.name, now=new.registered_at
        )
