"""What is forgotten of uploads that are over, and what stays."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import DeliveryChanged
from contracts.ids import DeliveryId, UploadId, first_id_of
from libs.outbox.unit_of_work import Outbox
from services.gateway.handlers import HANDLERS
from services.gateway.jobs import PurgeHistory, TimelineDays
from services.gateway.store import UploadStore
from services.gateway.store.history import begin_of
from tests.integration.services.gateway.conftest import registered
from tests.messages import handle

MONTH = timedelta(days=30)
OVER = "state = 'DELETED', version = 9, holds_name = false, updated_at = now() - interval '40 days'"
TABLES = ("uploads", "upload_events", "deliveries", "publications", "submissions")


async def purge(outbox: Outbox) -> None:
    job = PurgeHistory(outbox, keep=MONTH)
    while await job.once():
        pass


async def test_an_upload_that_has_had_no_file_for_long_is_forgotten_with_all_that_hangs_on_it(outbox: Outbox) -> None:
    upload_id = await upload(outbox, OVER)
    await delivered(outbox, upload_id)
    await execute(
        outbox, "INSERT INTO submissions (upload_id, tenant_id, expires_at) VALUES ($1, $2, now())", upload_id, uuid4()
    )
    assert await left(outbox, upload_id) == {"uploads", "upload_events", "deliveries", "submissions"}
    await purge(outbox)
    assert await left(outbox, upload_id) == set()


@pytest.mark.parametrize(
    "change",
    [
        "state = 'READY', version = 5, updated_at = now() - interval '40 days'",
        "state = 'REGISTERED', updated_at = now() - interval '40 days'",
        "state = 'DELETED', version = 9, updated_at = now() - interval '20 days'",
    ],
)
async def test_an_upload_that_has_a_file_or_was_over_lately_stays(outbox: Outbox, change: str) -> None:
    upload_id = await upload(outbox, change)
    await purge(outbox)
    assert "uploads" in await left(outbox, upload_id)


async def test_a_file_of_a_group_stays(outbox: Outbox) -> None:
    upload_id, group_id = await upload(outbox, OVER), uuid4()
    await execute(outbox, "INSERT INTO groups VALUES ($1, $2, now())", group_id, uuid4())
    await execute(outbox, "INSERT INTO group_files (group_id, position, upload_id) VALUES ($1, 0, $2)", group_id, upload_id)
    await purge(outbox)
    assert "uploads" in await left(outbox, upload_id)


async def test_it_goes_through_all_uploads_in_steps(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.jobs.HISTORY_STEP", 3)
    over = [await upload(outbox, OVER if number % 2 else "updated_at = now()") for number in range(10)]
    job = PurgeHistory(outbox, keep=MONTH)
    steps = [await job.once() for _ in range(4)]
    assert steps == [True, True, True, False]
    assert ["uploads" in await left(outbox, upload_id) for upload_id in over] == [number % 2 == 0 for number in range(10)]


async def test_the_timeline_of_an_old_day_is_dropped_as_a_whole(outbox: Outbox) -> None:
    old_day = await database_day(outbox) - timedelta(days=40)
    old = UploadId(first_id_of(datetime.combine(old_day, time(12), UTC)))
    name = f"upload_events_{old_day:%Y%m%d}"
    bounds = f"FROM ({begin_of(old_day)}) TO ({begin_of(old_day + timedelta(days=1))})"
    await execute(outbox, f"CREATE TABLE {name} PARTITION OF upload_events FOR VALUES {bounds}")
    young = await upload(outbox, "updated_at = now()")
    for upload_id in (old, young):
        await delivered(outbox, upload_id)
    await TimelineDays(outbox, keep=None).once()
    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM upload_events") == 2

    await TimelineDays(outbox, keep=MONTH).once()

    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass($1)", name) is None
        assert await UploadStore(connection).timeline(old) == []
        assert len(await UploadStore(connection).timeline(young)) == 1


async def test_a_line_about_an_earlier_id_that_lies_within_a_coming_day_does_not_keep_that_day_from_its_partition(
    outbox: Outbox,
) -> None:
    coming = await database_day(outbox) + timedelta(days=2)
    name = f"upload_events_{coming:%Y%m%d}"
    await execute(outbox, f"DROP TABLE {name}")
    upload_id = UploadId(first_id_of(datetime.combine(coming, time(12), UTC)))  # as a random one may be
    await delivered(outbox, upload_id)

    await TimelineDays(outbox, keep=MONTH).once()

    async with outbox.database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name)
        assert len(await UploadStore(connection).timeline(upload_id)) == 1


async def test_the_timeline_of_an_upload_with_any_id_is_kept_once(outbox: Outbox) -> None:
    for upload_id in (UploadId(uuid4()), UploadId(UUID(int=1)), await upload(outbox, "updated_at = now()")):
        delivery_id = DeliveryId(uuid4())
        for _ in range(2):
            await delivered(outbox, upload_id, delivery_id)
        async with outbox.database.connection() as connection:
            assert len(await UploadStore(connection).timeline(upload_id)) == 1


async def upload(outbox: Outbox, change: str) -> UploadId:
    new = await registered(outbox, name=uuid4().hex)
    await execute(outbox, f"UPDATE uploads SET {change} WHERE id = $1", new.id)
    return new.id


async def delivered(outbox: Outbox, upload_id: UploadId, delivery_id: DeliveryId | None = None) -> None:
    now = datetime.now(UTC)
    event = DeliveryChanged.model_validate({
        "delivery_id": delivery_id or uuid4(), "upload_id": upload_id, "tenant_id": UUID(int=2), "kind": "webhook",
        "target": "https://example.com", "status": "delivered", "attempts": 1, "changed_at": now,
    })  # fmt: skip
    await handle(outbox, HANDLERS, event)


async def left(outbox: Outbox, upload_id: UploadId) -> set[str]:
    """The tables that still have something of it."""
    async with outbox.database.connection() as connection:
        return {
            table
            for table in TABLES
            if await connection.fetchval(
                f"SELECT EXISTS (SELECT FROM {table} WHERE {'id' if table == 'uploads' else 'upload_id'} = $1)", upload_id
            )
        }


async def database_day(outbox: Outbox) -> date:
    async with outbox.database.connection() as connection:
        day: date = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return day


async def execute(outbox: Outbox, statement: str, *values: Any) -> None:
    async with outbox.database.connection() as connection:
        await connection.execute(statement, *values)
