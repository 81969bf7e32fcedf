"""Which webhooks are claimed, and what a claim costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from libs.outbox.unit_of_work import Outbox
from services.delivery import jobs, store
from services.delivery.adapters import receiver as receiver_adapter
from services.delivery.domain.webhook import receiver_of
from services.delivery.store import CLAIM, DUE_QUEUES, FIRST_QUEUE
from tests.integration.services.delivery.endpoints.scene import Endpoint
from tests.integration.services.delivery.scene import (
    TENANT,
    an_upload,
    completed,
    configured,
    happen,
    ready,
    receiver,
    rows,
    running,
    sender,
    status,
    webhook,
)
from tests.integration.services.delivery.test_concurrency import hang


async def add_due(outbox: Outbox, url: str, count: int, age: str = "1 hour") -> None:
    """Webhooks that wait as if their events had been handled so long ago."""
    await rows(
        outbox,
        "INSERT INTO webhooks (id, upload_id, tenant_id, url, receiver, body, next_attempt_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, $3, '{}', now() - $4::text::interval"
        " FROM generate_series(1, $5)",
        TENANT, url, receiver_of(url), age, count,
    )  # fmt: skip


@dataclass
class Receivers:
    """As many as one likes, on one port of different addresses."""

    port: int = 0
    received: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, number: int) -> str:
        return f"http://127.0.1.{number}:{self.port}/"

    async def have_received(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: self.received >= count)


@asynccontextmanager
async def many_receivers(*, hang_up: bool) -> AsyncIterator[Receivers]:
    receivers = Receivers()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        async with receivers.arrived:
            receivers.received += 1
            receivers.arrived.notify_all()
        if not hang_up:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "0.0.0.0", 0)
    receivers.port = server.sockets[0].getsockname()[1]
    try:
        yield receivers
    finally:
        server.close()


async def test_thousands_of_webhooks_for_a_receiver_that_hangs_hide_nobody_elses(outbox: Outbox) -> None:
    async with receiver(hang) as hanging, receiver() as healthy:
        await happen(outbox, [configured()])
        await add_due(outbox, hanging.url, 3000)
        await happen(outbox, ready(an_upload(), healthy.url))
        async with sender(outbox, timeout_seconds=60, drain_seconds=0.01) as sender_, running(sender_.run):
            await healthy.has_received(1)


async def test_more_receivers_that_hang_than_there_are_slots_leave_some_for_one_that_answers(outbox: Outbox) -> None:
    async with many_receivers(hang_up=False) as hanging, receiver() as healthy:
        await happen(outbox, [configured()])
        async with (
            sender(outbox, concurrency=32, timeout_seconds=60, drain_seconds=0.01) as sender_,
            running(sender_.run),
        ):
            await happen(outbox, ready(an_upload(), healthy.url))
            await healthy.has_received(1)
            # Given receivers that never answer, which have all the slots they may have
            for number in range(40):
                await add_due(outbox, hanging.url(number), 1)
            await hanging.have_received(24)
            # When there is something for the one that answers
            for _ in range(20):
                await happen(outbox, ready(an_upload(), healthy.url))
            # Then it gets it
            await healthy.has_received(21)
            assert hanging.received == 24


@pytest.mark.parametrize("ready_", [True, False], ids=["due", "waiting"])
async def test_a_claim_reads_a_few_rows_of_ten_thousand(outbox: Outbox, ready_: bool) -> None:
    await happen(outbox, [configured()])
    await add_due(outbox, "http://busy.example/", 10_000, age="1 hour" if ready_ else "-1 hour")
    await rows(outbox, "UPDATE webhooks SET ready = $1", ready_)
    for number in range(20):
        await add_due(outbox, f"http://r{number}.example/", 10)
    await rows(outbox, "ANALYZE webhooks")
    names = [f"r{number}.example" for number in range(20)]
    looking = await rows_read(outbox, DUE_QUEUES, FIRST_QUEUE.tenant_id, FIRST_QUEUE.receiver, 500, 1000)
    claiming = await rows_read(outbox, CLAIM, an_upload(), [TENANT] * 20, names, [4] * 20, timedelta(seconds=30))
    assert looking < 100
    assert claiming < 1000


async def rows_read(outbox: Outbox, query: str, *values: object) -> int:
    """By all scans of a table or an index together."""
    (row,) = await rows(outbox, f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *values)
    return _scanned(json.loads(row["QUERY PLAN"])[0]["Plan"])


def _scanned(plan: dict[str, Any]) -> int:
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    own = int(read * plan["Actual Loops"]) if "Relation Name" in plan and "Scan" in plan["Node Type"] else 0
    return own + sum(_scanned(part) for part in plan.get("Plans", ()))


async def test_a_claim_goes_on_behind_the_queues_that_the_last_one_looked_at(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "QUEUES", 3)
    async with many_receivers(hang_up=True) as receivers, sender(outbox) as sender_:
        await happen(outbox, [configured()])
        for number in range(10):
            await add_due(outbox, receivers.url(number), 1)
        async with running(sender_.run):
            await receivers.have_received(10)


async def test_webhooks_that_wait_for_the_secret_of_their_tenant_take_no_slots(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox, concurrency=1) as sender_:
        await add_due(outbox, "http://127.0.0.1:9/", 10)
        await rows(outbox, "UPDATE webhooks SET tenant_id = '00000000-0000-0000-0000-000000000001'")
        await happen(outbox, [configured(), *ready(an_upload(), receiver_.url)])
        assert await sender_.once()
    assert len(receiver_.received) == 1


async def test_a_replica_whose_clock_is_behind_makes_nothing_due_early(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    class AnHourBehind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "AnHourBehind":
            return cls.fromtimestamp(datetime.now(UTC).timestamp() - 3600, tz)

    upload_id = an_upload()
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0, 1800, 1800)) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        for module in (jobs, receiver_adapter):
            monkeypatch.setattr(module, "datetime", AnHourBehind)
        assert await sender_.once()
        assert not await sender_.once()
    (row,) = await rows(outbox, "SELECT next_attempt_at - now() AS pause FROM webhooks WHERE upload_id = $1", upload_id)
    assert timedelta(minutes=25) < row["pause"] < timedelta(minutes=35)


async def test_what_is_due_at_an_address_that_pauses_goes_to_the_new_one_at_once(outbox: Outbox) -> None:
    async with receiver() as new, sender(outbox, seconds=(0, 0)) as sender_:
        endpoint = Endpoint("http://127.0.0.1:9/")
        # Given an endpoint that cannot be reached, whose webhooks wait for its pause to end
        await happen(outbox, [configured(), endpoint.configured()])
        for _ in range(12):
            await happen(outbox, [completed(an_upload())])
        while await sender_.once():
            pass
        assert {row["status"] for row in await rows(outbox, "SELECT status FROM webhooks")} >= {"pending"}
        # When its owner names another address
        await happen(outbox, [endpoint.changed(url=new.url, generation=2).configured()])
        while await sender_.once():
            pass
        # Then they go there
        pending = await rows(outbox, "SELECT FROM webhooks WHERE status IN ('pending', 'retrying')")
        assert pending == []
        assert len(new.received) >= 7


async def test_a_result_of_a_lease_that_ended_counts_until_somebody_claims_anew(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as receiver_, sender(outbox, lease_seconds=0) as late, sender(outbox, concurrency=1) as other:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        await late.start_due()
        # Given that another process has seen it is due again, and has no slot for it
        await rows(outbox, "UPDATE tenants SET tenant_id = gen_random_uuid()")
        assert await other.start_due() == 0
        assert (await webhook(outbox, upload_id))["ready"]
        # When the first one's attempt ends
        await late.once()
    row = await webhook(outbox, upload_id)
    assert (row["status"], row["ready"], row["lease"]) == ("delivered", False, None)


async def test_a_repeated_attempt_is_made_when_it_is_due_without_any_other_event(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(500), status(200)) as receiver_, sender(outbox, seconds=(0, 0.2), poll_seconds=0.01) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        async with running(sender_.run):
            await receiver_.has_received(2)
