"""A file that ingest has found in a watch folder is registered once, whatever is heard how often."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.envelope import Envelope
from contracts.events import FetchRequested, UploadAbortRequested, UploadRegistered, WatchedFileFound
from contracts.ids import TenantId, new_upload_id
from libs.outbox.unit_of_work import Outbox
from services.gateway.handlers import HANDLERS, handlers
from services.gateway.store import NumberedFolderStore, TenantStore, UploadStore
from services.gateway.store.tenant import Tenant
from services.gateway.usecases.numbered_folder import create_numbered_folder
from tests.messages import handle


@pytest_asyncio.fixture
async def outbox(open_outbox: Callable[[str], Awaitable[Outbox]]) -> Outbox:
    return await open_outbox("gateway")


@pytest_asyncio.fixture
async def tenant_id(outbox: Outbox) -> TenantId:
    tenant = Tenant(TenantId(uuid4()), "Test", f"org-{uuid4().hex[:16]}", f"c{uuid4().hex[:16]}", None, 1, "sealed")
    async with outbox.database.transaction() as connection:
        await TenantStore(connection).insert(tenant)
    return tenant.id


def found(tenant_id: TenantId, **changes: Any) -> WatchedFileFound:
    values = {
        "file_id": new_upload_id(),
        "tenant_id": tenant_id,
        "watch_folder_id": uuid4(),
        "file_name": "Film Nr. 1.MP4",
        "size_bytes": 7,
        "found_at": datetime.now(UTC),
    }
    return WatchedFileFound.model_validate(values | changes)


async def hear(outbox: Outbox, event: WatchedFileFound) -> None:
    await handle(outbox, HANDLERS, event)


async def emitted(outbox: Outbox) -> list[Any]:
    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
    return [Envelope.model_validate_json(row["envelope"]).event() for row in rows]


async def folder_title(outbox: Outbox, event: WatchedFileFound) -> str:
    async with outbox.database.connection() as connection:
        upload = await UploadStore(connection).find_of_tenant(event.tenant_id, event.file_id)
        assert upload is not None
        [folder] = await NumberedFolderStore(connection).numbered(event.tenant_id, [upload.folder])
    return folder.title


async def test_a_found_file_is_registered_and_asked_for(outbox: Outbox, tenant_id: TenantId) -> None:
    # M-07
    event = found(tenant_id)
    await hear(outbox, event)
    registered, fetch = await emitted(outbox)
    assert isinstance(registered, UploadRegistered)
    assert isinstance(fetch, FetchRequested)
    assert (registered.upload_id, registered.tenant_id, registered.dialect) == (event.file_id, tenant_id, "medialab")
    assert (registered.transfer, registered.file_name) == ("fetched", "Film Nr. 1.MP4")
    assert (registered.constraints.size_bytes, registered.object_key) == (7, f"files/{event.file_id}/original.mp4")
    assert (fetch.source_url, fetch.staging_key) == (f"watch:{event.file_id}", registered.staging_key)
    assert await folder_title(outbox, event) == ""


async def test_it_is_registered_once_however_often_it_is_heard(outbox: Outbox, tenant_id: TenantId) -> None:
    # M-07
    event = found(tenant_id)
    await asyncio.gather(*(hear(outbox, event) for _ in range(5)))
    await hear(outbox, event)
    assert len(await emitted(outbox)) == 2


async def test_a_blocked_tenants_file_is_given_up_and_stays_where_it_is(outbox: Outbox, tenant_id: TenantId) -> None:
    # M-07
    async with outbox.database.transaction() as connection:
        await TenantStore(connection).block_storage(tenant_id)
    await hear(outbox, found(tenant_id))
    registered, aborted = await emitted(outbox)
    assert isinstance(registered, UploadRegistered)
    assert isinstance(aborted, UploadAbortRequested)
    assert aborted.reason == "storage_blocked"


async def test_no_more_is_fetched_than_a_file_may_have(outbox: Outbox, tenant_id: TenantId) -> None:
    # M-07
    event = found(tenant_id, size_bytes=11)
    await handle(outbox, handlers(max_upload_bytes=10), event)
    registered, fetch = await emitted(outbox)
    assert (registered.constraints.max_size_bytes, fetch.max_size_bytes) == (10, 10)


async def test_its_subfolder_names_the_folder(outbox: Outbox, tenant_id: TenantId) -> None:
    # M-07, part 2.1: `<folder_id>_<label>`
    async with outbox.unit_of_work() as work:
        made = await create_numbered_folder(work, tenant_id, 0, "Clips of 2026")
    by_number = found(tenant_id, folder_id=str(made.number), folder_label="whatever")
    by_label = found(tenant_id, folder_id="123456789012345678", folder_label="Été")
    again = found(tenant_id, folder_label="Été")
    root = found(tenant_id, folder_id="0", folder_label="whatever")
    turned = found(tenant_id, folder_label="a\x01\u202eb")
    unspeakable = found(tenant_id, folder_label="\x01\u202e")
    events = (by_number, by_label, again, root, turned, unspeakable)
    for event in events:
        await hear(outbox, event)
    titles = [await folder_title(outbox, event) for event in events]
    assert titles == ["Clips of 2026", "Été", "Été", "", "ab", ""]


@pytest.mark.parametrize(
    ("found_name", "name", "extension"),
    [
        ("photo\u202egpj.exe", "photogpj.exe", ".exe"),
        ("clip.mp4\u202c", "clip.mp4", ".mp4"),
        ("C:\\films\\clip.mp4", "clip.mp4", ".mp4"),
        ("\u202e", None, ""),
    ],
)
async def test_its_name_keeps_only_what_a_name_may(
    outbox: Outbox, tenant_id: TenantId, found_name: str, name: str | None, extension: str
) -> None:
    # M-07
    event = found(tenant_id, file_name=found_name)
    await hear(outbox, event)
    [registered, _fetch] = await emitted(outbox)
    assert (registered.file_name, registered.object_key) == (name, f"files/{event.file_id}/original{extension}")
