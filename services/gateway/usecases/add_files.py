"""Registers files of a batch: they, their events and the batch's counters in one commit, all or nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final
from weakref import WeakValueDictionary

from libs.outbox.unit_of_work import RELAY, Outbox, UnitOfWork, encode_event
from libs.postgres.database import TRANSIENT_ERRORS
from services.gateway.domain.batch import BatchId, BatchNotFoundError
from services.gateway.domain.registration import Registration
from services.gateway.store import BatchStore, RegistrationStore

PATIENCE_SECONDS: Final = 10
PAUSE_SECONDS: Final = 0.1


class BatchFiles:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # The row's lock is what counts. Whoever waits for it here holds no connection that other requests need.
        self._turns: WeakValueDictionary[BatchId, asyncio.Lock] = WeakValueDictionary()

    async def add(self, batch_id: BatchId, files: Sequence[Registration], now: datetime) -> None:
        """Returns when it is durable. After a lost connection nobody knows, so it asks again and recognises its own files.

        Raises BatchNotFoundError or what `Batch.with_files` does: then nothing was registered; after TimeoutError nobody
        knows.
        """
        turn = self._turns.setdefault(batch_id, asyncio.Lock())
        async with asyncio.timeout(PATIENCE_SECONDS), turn:
            while True:
                with suppress(*TRANSIENT_ERRORS):
                    async with self._outbox.unit_of_work() as work:
                        await _add(work, batch_id, files, now)
                    return
                await asyncio.sleep(PAUSE_SECONDS)


async def _add(work: UnitOfWork, batch_id: BatchId, files: Sequence[Registration], now: datetime) -> None:
    batches, registrations = BatchStore(work.connection), RegistrationStore(work.connection)
    batch = await batches.find(batch_id, lock=True)
    if batch is None:
        raise BatchNotFoundError
    if await registrations.is_registered(files[0]):
        return
    after = batch.with_files([file.max_size_bytes for file in files], now)
    encoded = [[encode_event(event, source=work.source) for event in file.events()] for file in files]
    await registrations.insert(list(zip(files, encoded, strict=True)))
    await batches.add_files(batch, after, [file.id for file in files])
    work.wake(RELAY)
