import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from uuid import UUID, uuid4

from libs.outbox.inbox import insert_new, maintain_once
from libs.outbox.unit_of_work import Outbox
from libs.postgres.partition import DAYS_AHEAD

OpenOutbox = Callable[[str], Awaitable[Outbox]]
TWO_DAYS = timedelta(days=2)


async def test_an_event_is_new_once(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    first, second = uuid4(), uuid4()
    async with outbox.database.transaction() as connection:
        assert await insert_new(connection, [first, first, second]) == {first, second}
        assert await insert_new(connection, [first]) == set()


async def test_an_event_that_was_handled_on_another_day_is_not_new(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    yesterday, unknown = uuid4(), uuid4()
    await received(outbox, yesterday, days_ago=1)
    async with outbox.database.transaction() as connection:
        assert await insert_new(connection, [yesterday, unknown]) == {unknown}


async def test_an_event_that_is_handled_on_both_sides_of_midnight_is_new_for_one_of_them(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    event_id = uuid4()
    # Given a transaction that began yesterday, of which nobody sees the row yet
    async with outbox.database.connection() as yesterdays, outbox.database.transaction() as todays:
        transaction = yesterdays.transaction()
        await transaction.start()
        await yesterdays.execute(
            "INSERT INTO inbox (event_id, received_on) VALUES ($1, (now() AT TIME ZONE 'UTC')::date - 1)", event_id
        )
        # When the same event comes to somebody else a moment after midnight
        late = asyncio.create_task(insert_new(todays, [event_id], longest_transaction=timedelta(days=1)))
        await until_somebody_waits(outbox)
        await transaction.commit()
        # Then it is found to be handled
        assert await late == set()


async def test_an_event_of_the_first_minutes_of_a_day_is_new(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    event_id = uuid4()
    async with outbox.database.transaction() as connection:
        assert await insert_new(connection, [event_id], longest_transaction=timedelta(days=1)) == {event_id}
        assert await insert_new(connection, [event_id]) == set()


async def test_days_are_dropped_whole_and_partitions_are_made_ahead(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    old, recent = uuid4(), uuid4()
    await received(outbox, old, days_ago=5, partition=True)
    await received(outbox, recent, days_ago=1)
    today = await database_day(outbox)
    await execute(outbox, f"DROP TABLE inbox_{today + timedelta(days=DAYS_AHEAD):%Y%m%d}")

    await maintain_once(outbox, TWO_DAYS)

    assert await events(outbox) == [recent]
    names = await partitions(outbox)
    assert f"inbox_{today - timedelta(days=5):%Y%m%d}" not in names
    assert {f"inbox_{today + timedelta(days=ahead):%Y%m%d}" for ahead in range(DAYS_AHEAD + 1)} <= names


async def test_a_day_stays_until_its_last_moment_is_old_enough(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    yesterday, day_before = uuid4(), uuid4()
    since_midnight = await time_of_day(outbox)
    await received(outbox, yesterday, days_ago=1)
    await maintain_once(outbox, since_midnight + timedelta(hours=1))
    assert await events(outbox) == [yesterday]

    await received(outbox, day_before, days_ago=2)
    await maintain_once(outbox, since_midnight + timedelta(hours=25))
    assert set(await events(outbox)) == {yesterday, day_before}
    await maintain_once(outbox, since_midnight)
    assert await events(outbox) == []


async def test_partitions_change_while_events_are_handled(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    # Given a day that is too old, one without a partition, and a handler that has entered its events
    await received(outbox, uuid4(), days_ago=5, partition=True)
    await execute(outbox, f"DROP TABLE inbox_{await database_day(outbox) + timedelta(days=DAYS_AHEAD):%Y%m%d}")
    async with outbox.database.transaction() as connection:
        await insert_new(connection, [uuid4()])
        # When the partitions are to be changed, and another handler comes meanwhile
        maintaining = asyncio.create_task(maintain_once(outbox, TWO_DAYS))
        await until_somebody_waits(outbox)
        handling = asyncio.create_task(handle(outbox))
        await asyncio.sleep(0.1)
    # Then none of them waits for another that waits for it
    await maintaining
    await handling


async def handle(outbox: Outbox) -> None:
    async with outbox.database.transaction() as connection:
        await insert_new(connection, [uuid4()])


async def test_a_day_without_a_partition_fails_nothing(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    today = await database_day(outbox)
    await execute(outbox, f"DROP TABLE inbox_{today:%Y%m%d}")
    event_id, old = uuid4(), uuid4()
    async with outbox.database.transaction() as connection:
        assert await insert_new(connection, [event_id]) == {event_id}
    await received(outbox, old, days_ago=30)

    # What fell into the default partition goes to that of its day, or goes away when it is old
    assert await maintain_once(outbox, TWO_DAYS) == 1
    assert f"inbox_{today:%Y%m%d}" in await partitions(outbox)
    assert await events(outbox) == [event_id]
    async with outbox.database.transaction() as connection:
        assert await insert_new(connection, [event_id]) == set()


async def received(outbox: Outbox, event_id: UUID, *, days_ago: int, partition: bool = False) -> None:
    day = await database_day(outbox) - timedelta(days=days_ago)
    if partition:
        await execute(
            outbox,
            f"CREATE TABLE inbox_{day:%Y%m%d} PARTITION OF inbox FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')",
        )
    await execute(outbox, f"INSERT INTO inbox (event_id, received_on) VALUES ('{event_id}', '{day}')")


async def database_day(outbox: Outbox) -> date:
    async with outbox.database.connection() as connection:
        day: date = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return day


async def time_of_day(outbox: Outbox) -> timedelta:
    async with outbox.database.connection() as connection:
        time: timedelta = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::time::interval")
    return time


async def partitions(outbox: Outbox) -> set[str]:
    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")
    return {row["name"] for row in rows}


async def events(outbox: Outbox) -> list[UUID]:
    async with outbox.database.connection() as connection:
        return [row["event_id"] for row in await connection.fetch("SELECT event_id FROM inbox")]


async def execute(outbox: Outbox, statement: str) -> None:
    async with outbox.database.connection() as connection:
        await connection.execute(statement)


async def until_somebody_waits(outbox: Outbox) -> None:
    """For a lock of somebody else."""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
    async with asyncio.timeout(10), outbox.database.connection() as connection:
        while not await connection.fetchval(waiting):
            await asyncio.sleep(0.005)
