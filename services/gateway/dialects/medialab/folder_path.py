"""Where a folder's number leads."""

import asyncio

from services.gateway.auth import Principal
from services.gateway.deps import Deps
from services.gateway.dialects.medialab.upload_id import DATABASE_SECONDS
from services.gateway.domain.error import FolderNotFoundError
from services.gateway.store import NumberedFolderStore


async def folder_path(deps: Deps, principal: Principal, number: int) -> str:
    """Raises FolderNotFoundError."""
    async with asyncio.timeout(DATABASE_SECONDS), deps.database.connection() as connection:
        folder = await NumberedFolderStore(connection).find(principal.tenant_id, number)
    if folder is None:
        raise FolderNotFoundError
    return folder.path
