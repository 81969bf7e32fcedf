from collections.abc import Awaitable, Callable
from uuid import uuid4

from libs.outbox.inbox import purge_once, unseen
from libs.outbox.unit_of_work import Outbox

OpenOutbox = Callable[[str], Awaitable[Outbox]]


async def test_an_event_is_new_once_per_consumer(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    first, second = uuid4(), uuid4()
    async with outbox.database.transaction() as connection:
        assert await unseen(connection, "session", [first, first, second]) == {first, second}
        assert await unseen(connection, "session", [first]) == set()
        assert await unseen(connection, "other", [first]) == {first}


async def test_only_old_rows_are_purged(open_outbox: OpenOutbox) -> None:
    outbox = await open_outbox("session")
    async with outbox.database.transaction() as connection:
        await unseen(connection, "session", [uuid4() for _ in range(10)])
        await connection.execute("UPDATE inbox SET received_at = now() - interval '15 days'")
        recent = uuid4()
        await unseen(connection, "session", [recent])
    assert await purge_once(outbox) == 10
    async with outbox.database.connection() as connection:
        assert [row["event_id"] for row in await connection.fetch("SELECT event_id FROM inbox")] == [recent]
