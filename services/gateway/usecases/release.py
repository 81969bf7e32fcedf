"""Frees a name that a dead registration holds."""

from datetime import datetime

from contracts.events import Stage, UploadAbortRequested
from contracts.ids import TenantId
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.store import RegistrationStore


async def release_dead_name(work: UnitOfWork, tenant_id: TenantId, folder: str, name: str, now: datetime) -> None:
    """Decision 5.4.11: a pending record whose URL is over does not block its name; whoever comes next replaces it."""
    replaced = await RegistrationStore(work.connection).release_expired_name(tenant_id, folder, name, now)
    if replaced is not None:
        work.emit(UploadAbortRequested(upload_id=replaced, tenant_id=tenant_id, version=Stage.CLOSED, reason="replaced"))
