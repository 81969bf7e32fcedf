"""Frees a name that a dead registration holds: decision 5.4.11, whoever comes next replaces it.

Dead is a pending registration whose URL is over and under whose keys nothing lies. Bytes that were accepted hold the name,
also while nobody has noticed them yet.
"""

from datetime import datetime

from contracts.events import Stage, UploadAbortRequested
from contracts.ids import TenantId, UploadId
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from services.gateway.store import RegistrationStore


async def find_dead(
    outbox: Outbox, objects: ObjectStore, tenant_id: TenantId, *, folder: str, name: str, now: datetime
) -> UploadId | None:
    """Who holds the name and may be replaced. Asks the store outside any transaction; raises StoreUnavailableError."""
    async with outbox.database.connection() as connection:
        expired = await RegistrationStore(connection).find_expired(tenant_id, folder, name, now)
    if expired is None:
        return None
    upload_id, staging_key, object_key = expired
    # In this order: it may be promoted in between.
    return None if await objects.stat(staging_key) or await objects.stat(object_key) else upload_id


async def release_name(work: UnitOfWork, tenant_id: TenantId, dead: UploadId, now: datetime) -> None:
    """Nothing where it came to life, or was replaced by somebody else, meanwhile."""
    if await RegistrationStore(work.connection).release_name(dead, now):
        work.emit(UploadAbortRequested(upload_id=dead, tenant_id=tenant_id, version=Stage.CLOSED, reason="replaced"))
