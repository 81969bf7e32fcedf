"""When publications go out, how many at a time, and what becomes of those that fail."""

import asyncio
import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from contracts.events import FileDeleted, Stage
from contracts.ids import TenantId
from libs.object_store.port import ObjectStore, StoreUnavailableError
from services.delivery.publishing.connectors import directory
from services.delivery.publishing.connectors.http import HttpConnector
from services.delivery.publishing.jobs import Upkeep
from services.delivery.publishing.store import PublicationStore
from tests.clock import turn_clock
from tests.integration.services.delivery.publishing.rig import (
    Rig,
    about,
    folder_account,
    removed,
    requested,
    running,
    until,
    url_account,
)
from tests.servers.destination import Destination, FileTaker, Serve, fails, hangs, passes, serving, stalls


async def test_nothing_goes_out_before_its_time(rig: Rig, destination: Destination) -> None:  # T-21
    configured = url_account(destination)
    due_at = datetime.now(UTC) + timedelta(seconds=1.5)
    event = await rig.publishes(configured, due_at=due_at)
    [scheduled] = await rig.told(event)
    assert (scheduled.status, scheduled.next_attempt_at) == ("scheduled", due_at)
    await rig.end(event)
    _, dispatching, _ = await rig.told(event)
    assert dispatching.changed_at >= due_at
    assert len(destination.requests) == 1


async def test_a_time_that_is_past_means_at_once(rig: Rig, destination: Destination) -> None:
    event = await rig.publishes(url_account(destination), due_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert (await rig.end(event)).status == "published"


async def test_many_due_in_the_same_second_are_worked_off_with_bounded_concurrency(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination, taker: FileTaker
) -> None:
    # Given 300 publications to three accounts, due at the same moment
    async with (
        running(database_dsn, disk, tmp_path, delivery_publication_concurrency=8, delivery_account_concurrency=3) as rig,
    ):
        accounts = [url_account(destination) for _ in range(3)]
        due_at = datetime.now(UTC) + timedelta(seconds=1)
        completed = [await rig.upload(b"small") for _ in range(100)]
        events = [requested(one.upload_id, *accounts, due_at=due_at) for one in completed]
        await rig.hear(*accounts, *events, *completed)

        # When the moment comes
        async def all_ended() -> bool:
            [row] = await rig.rows("SELECT count(*) FROM publications WHERE ended_at IS NULL")
            return bool(row["count"] == 0)

        await until(all_ended)

        # Then each went out once, and never too many together
        told = await rig.told_of_all()
        assert len(told) == len(taker.files) == 300
        assert all([one.status for one in steps] == ["scheduled", "dispatching", "published"] for steps in told.values())
        assert len(destination.requests) == 300
        assert taker.repeated == 0
        assert destination.most_running <= 8


async def test_a_slow_account_holds_up_no_other(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination, taker: FileTaker
) -> None:
    async with (
        serving(hangs) as hanging,
        running(database_dsn, disk, tmp_path, delivery_publication_concurrency=8, delivery_account_concurrency=2) as rig,
    ):
        # Given more for accounts that hang than there are places, all older
        slow = [url_account(hanging) for _ in range(3)]
        for _ in range(5):
            await rig.publishes(*slow)

        async def has_all_its_places() -> bool:
            return hanging.running == 6

        await until(has_all_its_places)

        # When another account gets 20
        quick = url_account(destination)
        events = [await rig.publishes(quick) for _ in range(20)]

        # Then all of them are published meanwhile, and the slow ones have only their share
        for event in events:
            assert (await rig.end(event)).status == "published"
        assert hanging.most_running == 6


async def test_a_tenant_whose_destinations_hang_holds_up_no_other(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    async with (
        serving(hangs) as hanging,
        running(database_dsn, disk, tmp_path, delivery_publication_concurrency=4, delivery_tenant_concurrency=3) as rig,
    ):
        # Given more accounts of one tenant that hang than there are places
        await rig.publishes(*(url_account(hanging) for _ in range(6)))

        async def has_all_its_places() -> bool:
            return hanging.running == 3

        await until(has_all_its_places)

        # When another tenant publishes
        other = {"tenant_id": TenantId(uuid4())}
        theirs = url_account(destination).model_copy(update=other)
        completed = (await rig.upload()).model_copy(update=other)
        event = requested(completed.upload_id, theirs).model_copy(update=other)
        await rig.hear(theirs, event, completed)

        # Then it does not wait
        assert (await rig.end(event)).status == "published"
        assert hanging.most_running == 3


async def test_an_account_that_does_not_answer_gets_one_place(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    async with running(database_dsn, disk, tmp_path, loops=()) as rig:
        configured = url_account(destination)
        for _ in range(10):
            await rig.publishes(configured)
        await rig.rows("UPDATE accounts SET failures = 3")
    async with running(database_dsn, disk, tmp_path) as rig:
        destination.next_requests(stalls(destination))
        async with asyncio.timeout(30):
            await destination.stalled.wait()
        [row] = await rig.rows("SELECT count(*) FROM publications WHERE lease IS NOT NULL")
        assert row["count"] == 1


async def test_what_may_pass_is_tried_again_and_told_as_retrying(rig: Rig, destination: Destination) -> None:  # T-22
    destination.next_requests(fails(503), fails(429))
    event = await rig.publishes(url_account(destination))
    end = await rig.end(event)
    assert (end.status, end.attempts, end.external_id) == ("published", 3, f"file-{end.publication_id}")
    told = await rig.told(event)
    assert [one.status for one in told] == [
        "scheduled", "dispatching", "retrying", "dispatching", "retrying", "dispatching", "published",
    ]  # fmt: skip
    assert (told[2].error_code, told[2].attempts) == ("destination_unavailable", 1)
    assert told[2].next_attempt_at is not None
    assert told[2].error_message == "The destination cannot take the file now (503 Service Unavailable)."


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_the_clock_of_the_process_does_not_matter(
    rig: Rig, destination: Destination, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    turn_clock(monkeypatch, seconds)
    destination.next_requests(fails(503))
    event = await rig.publishes(url_account(destination))

    assert (await rig.end(event)).status == "published"

    [_, _, retrying, *_] = await rig.told(event)
    assert retrying.next_attempt_at is not None
    assert abs((retrying.next_attempt_at - datetime.now(UTC)).total_seconds()) < 600
    await Upkeep(rig.service.outbox, retention=timedelta(minutes=30)).once()
    assert (await rig.row(event))["status"] == "published"


async def test_what_does_not_pass_fails_after_the_last_attempt(rig: Rig, destination: Destination) -> None:  # T-24
    destination.next_requests(*[fails(500)] * 4, passes)
    event = await rig.publishes(url_account(destination))
    end = await rig.end(event)
    assert (end.status, end.error_code, end.attempts) == ("failed", "destination_unavailable", 4)
    assert len(destination.requests) == 4
    assert end.error_message == "The destination cannot take the file now (500 Internal Server Error)."


async def test_a_refusal_fails_at_once_and_its_neighbours_go_on(rig: Rig, destination: Destination) -> None:  # T-24
    refused, kept = url_account(destination), folder_account()
    destination.next_requests(fails(400, body="internal words of the destination"))
    event = await rig.publishes(refused, kept)
    end = await rig.end(event, refused)
    assert (end.status, end.error_code, end.attempts) == ("failed", "destination_rejected", 1)
    assert end.error_message == "The destination refuses the file (400 Bad Request)."
    assert (await rig.end(event, kept)).status == "published"


async def test_an_account_that_is_removed_between_two_attempts_fails(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    async with running(database_dsn, disk, tmp_path, delivery_publication_schedule_seconds="0,3600") as rig:
        configured = url_account(destination)
        destination.next_requests(fails(503))
        event = await rig.publishes(configured)

        async def is_retrying() -> bool:
            return "retrying" in await rig.steps(event)

        await until(is_retrying)
        await rig.hear(removed(configured))
        end = await rig.end(event)
        assert (end.status, end.error_code, end.attempts) == ("failed", "account_removed", 1)


async def test_a_file_that_is_deleted_between_two_attempts_fails_and_is_tidied_up(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_is_full(descriptor: int, piece: bytes, offset: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(directory, "_write_at", disk_is_full)
    async with running(database_dsn, disk, tmp_path, delivery_publication_schedule_seconds="0,3600") as rig:
        event = await rig.publishes(folder_account())

        async def is_retrying() -> bool:
            return "retrying" in await rig.steps(event)

        await until(is_retrying)
        assert [path.suffix for path in rig.published.glob("*/.*")] == [".part"]
        await rig.hear(about(event.upload_id, FileDeleted, version=Stage.REMOVED))
        end = await rig.end(event)
        assert (end.status, end.error_code, end.attempts) == ("failed", "file_deleted", 1)

        async def is_tidy() -> bool:
            return not list(rig.published.glob("*/.*"))

        await until(is_tidy)


async def test_what_is_under_way_when_its_file_is_deleted_may_still_end(rig: Rig, destination: Destination) -> None:
    going_on = asyncio.Event()

    async def waits(request: web.Request, serve: Serve) -> web.StreamResponse:
        destination.stalled.set()
        await going_on.wait()
        return await serve(request)

    destination.next_requests(waits)
    event = await rig.publishes(url_account(destination))
    await destination.stalled.wait()
    await rig.hear(about(event.upload_id, FileDeleted, version=Stage.REMOVED))
    assert await rig.steps(event) == ["scheduled", "dispatching"]
    going_on.set()
    assert (await rig.end(event)).status == "published"


async def test_our_own_store_is_not_the_destinations_fault(
    rig: Rig, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again for as long as it takes, and nobody outside is told."""
    broken = asyncio.Event()

    async def breaks(*args: Any, **kwargs: Any) -> Any:
        broken.set()
        raise StoreUnavailableError("away")
        yield b""

    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "read", breaks)
        event = await rig.publishes(url_account(destination))
        await broken.wait()

        async def is_postponed() -> bool:
            row = await rig.row(event)
            return row["store_errors"] == 1 and row["lease"] is None

        await until(is_postponed)
    end = await rig.end(event)
    assert (end.status, end.attempts) == ("published", 1)
    assert await rig.steps(event) == ["scheduled", "dispatching", "published"]


async def test_our_own_mistake_is_tried_again_and_then_fails_without_its_words(
    rig: Rig, destination: Destination, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = "-".join(["words", "with", "a", "secret"])

    async def stumbles(*args: Any) -> Any:
        raise KeyError(words)

    monkeypatch.setattr(HttpConnector, "publish", stumbles)
    event = await rig.publishes(url_account(destination))
    end = await rig.end(event)
    assert (end.status, end.error_code, end.attempts) == ("failed", "internal", 4)
    assert words not in str(end.error_message) + "".join(capfd.readouterr())


async def test_an_outcome_that_the_database_did_not_take_is_recorded_later(
    rig: Rig, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    publish = PublicationStore.publish

    async def away_at_first(self: PublicationStore, *args: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionResetError
        return await publish(self, *args)

    monkeypatch.setattr(PublicationStore, "publish", away_at_first)
    event = await rig.publishes(url_account(destination))
    assert (await rig.end(event)).status == "published"
    assert (len(destination.requests), len(tries)) == (1, 3)


async def test_nothing_secret_is_logged_or_told(rig: Rig, destination: Destination, capfd: pytest.CaptureFixture[str]) -> None:
    destination.next_requests(fails(503), fails(400))
    event = await rig.publishes(url_account(destination))
    end = await rig.end(event)
    logged = "".join(capfd.readouterr())
    assert "publication.retrying" in logged
    for text in (logged, end.model_dump_json()):
        assert "token-of-acme" not in text
        assert destination.origin not in text


async def test_publications_are_forgotten_after_their_retention_and_never_before_their_end(
    rig: Rig, destination: Destination
) -> None:
    ended = await rig.publishes(folder_account())
    planned = await rig.publishes(folder_account(), due_at="2100-01-01T00:00:00Z")
    await rig.end(ended)
    await rig.rows("UPDATE files SET updated_at = now() - interval '40 days'")
    await Upkeep(rig.service.outbox, retention=timedelta(days=30)).once()
    assert len(await rig.rows("SELECT FROM publications")) == 2
    assert len(await rig.rows("SELECT FROM files")) == 2

    await rig.rows("UPDATE publications SET ended_at = now() - interval '40 days' WHERE ended_at IS NOT NULL")
    await Upkeep(rig.service.outbox, retention=timedelta(days=30)).once()
    assert [row["upload_id"] for row in await rig.rows("SELECT upload_id FROM publications")] == [planned.upload_id]
    assert [row["upload_id"] for row in await rig.rows("SELECT upload_id FROM files")] == [planned.upload_id]
