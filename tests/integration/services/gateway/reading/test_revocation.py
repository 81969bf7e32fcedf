"""What is removed, or is over, is not served any more: with the next request, by every address, by every replica."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.events import FileDeleted, FileExpired, FileRetentionChanged, Stage
from services.gateway.domain.registration import Registration
from services.gateway.files import soon
from services.gateway.store import UploadStore
from tests.integration.services.gateway.reading.address import KINDS, PHOTO, Kind, published

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

Open = Callable[..., Awaitable["Gateway"]]


async def give_up(gateway: "Gateway", new: Registration) -> None:
    async with gateway.outbox.database.transaction() as connection:
        await UploadStore(connection).give_up(new.id, datetime.now(UTC))


async def delete(gateway: "Gateway", new: Registration) -> None:
    await gateway.happened(FileDeleted(upload_id=new.id, tenant_id=new.tenant_id, version=Stage.REMOVED))


async def expire(gateway: "Gateway", new: Registration) -> None:
    await gateway.happened(FileExpired(upload_id=new.id, tenant_id=new.tenant_id, version=Stage.REMOVED))


async def end_retention(gateway: "Gateway", new: Registration) -> None:
    over = datetime.now(UTC) - timedelta(seconds=1)
    await gateway.happened(
        FileRetentionChanged(upload_id=new.id, tenant_id=new.tenant_id, version=Stage.CLOSED, revision=1, file_expires_at=over)
    )


WAYS = (give_up, delete, expire, end_retention)


async def status_of(gateway: "Gateway", path: str) -> int:
    async with gateway.client.get(path) as response:
        await response.read()
        return response.status


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soon, "PAUSES", (0,))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_removed_file_is_gone_with_the_next_request(gateway: "Gateway", kind: Kind) -> None:
    for way in WAYS if kind not in ("image", "group_image") else WAYS[:1]:
        address = await published(gateway, kind)
        assert [await status_of(gateway, address.path) for _ in range(2)] == [200, 200]
        await way(gateway, address.new)
        assert await status_of(gateway, address.path) == 404, way
        async with gateway.client.get(address.path, headers={"If-None-Match": "*"}) as response:
            assert (response.status, response.headers["Cache-Control"]) == (404, "no-store")
        async with gateway.client.head(address.path) as response:
            assert response.status == 404


@pytest.mark.parametrize("kind", ["public", "cdn", "named"])
async def test_a_large_removed_file_is_gone_although_its_bytes_are_still_there(gateway: "Gateway", kind: Kind) -> None:
    address = await published(gateway, kind, PHOTO * 2000)
    assert await status_of(gateway, address.path) == 200
    await give_up(gateway, address.new)
    assert await status_of(gateway, address.path) == 404
    assert await gateway.store.stat(address.new.object_key) is not None


@pytest.mark.parametrize("body", [PHOTO, PHOTO * 2000], ids=["small", "large"])
async def test_what_one_replica_removes_no_other_one_serves(open_gateway: Open, body: bytes) -> None:
    here, there = await open_gateway(), await open_gateway()
    address = await published(here, "public", body)
    assert await status_of(there, address.path) == 200
    await give_up(here, address.new)
    assert await status_of(there, address.path) == 404


async def test_a_large_file_that_the_store_lost_is_not_found(gateway: "Gateway") -> None:
    address = await published(gateway, "public", PHOTO * 2000)
    assert await status_of(gateway, address.path) == 200
    await gateway.store.delete([address.new.object_key])
    assert await status_of(gateway, address.path) == 404
