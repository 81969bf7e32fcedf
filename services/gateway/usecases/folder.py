"""Creates and deletes folders."""

from contracts.ids import TenantId
from libs.outbox.unit_of_work import UnitOfWork
from services.gateway.domain.error import FolderNotEmptyError, FolderNotFoundError
from services.gateway.domain.name import TEMPORARY_FOLDER, parents
from services.gateway.store import FolderStore


async def create_folder(work: UnitOfWork, tenant_id: TenantId, path: str) -> bool:
    """With its parents; False when it was there already."""
    store = FolderStore(work.connection)
    existed = path == TEMPORARY_FOLDER or await store.exists(tenant_id, path)
    created = await store.insert(tenant_id, parents(path))
    return not existed and path in created


async def delete_folder(work: UnitOfWork, tenant_id: TenantId, path: str) -> None:
    """Raises FolderNotFoundError or FolderNotEmptyError."""
    store = FolderStore(work.connection)
    if not await store.exists(tenant_id, path):
        raise FolderNotFoundError
    if not await store.is_empty(tenant_id, path):
        raise FolderNotEmptyError
    await store.delete(tenant_id, path)
