"""The bytes in use are exact before, while and after the changes are folded into the total."""

import asyncio
from uuid import uuid4

from contracts.ids import TenantId
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.projection import UploadChange, VerifiedFile
from services.gateway.jobs import FoldUsage
from services.gateway.store import ProjectionStore, UsageStore
from tests.integration.services.gateway.conftest import NOW, registered


async def used(outbox: Outbox, tenant_id: TenantId) -> int:
    async with outbox.database.connection() as connection:
        return await UsageStore(connection).used_bytes(tenant_id)


async def test_folding_keeps_the_sum(outbox: Outbox) -> None:
    tenant_id = TenantId(uuid4())
    for number in range(10):
        new = await registered(outbox, tenant_id=tenant_id, name=str(number))
        async with outbox.database.transaction() as connection:
            await ProjectionStore(connection).change([UploadChange(new.id, file=VerifiedFile(100, "e", None, NOW))])
        assert await used(outbox, tenant_id) == 100 * (number + 1)
        if number % 3 == 0:
            assert not await FoldUsage(outbox).once()
            assert await used(outbox, tenant_id) == 100 * (number + 1)

    async with outbox.database.connection() as connection:
        await asyncio.gather(FoldUsage(outbox).once(), FoldUsage(outbox).once())
        assert await connection.fetchval("SELECT count(*) FROM storage_changes") == 0
    assert await used(outbox, tenant_id) == 1000


async def test_a_tenant_without_files_uses_nothing(outbox: Outbox) -> None:
    assert await used(outbox, TenantId(uuid4())) == 0
