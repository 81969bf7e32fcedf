"""Publications survive their workers: another one goes on, and nothing is published twice where that can be known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiohttp import web

from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from services.delivery.publishing.domain.publication import MAX_LOSSES
from tests.integration.services.delivery.publishing.rig import (
    account,
    folder_account,
    other_worker,
    requested,
    running,
    until,
    url_account,
)
from tests.servers import s3
from tests.servers.destination import (
    Destination,
    Fault,
    FileTaker,
    HookTaker,
    Passage,
    Serve,
    cuts,
    fails,
    forgets_to_answer,
    passes,
    serving,
    stalls,
)

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LWFjY291bnQtMzItYnl0ZXM="
LARGE = bytes(30 * 2**20)


@asynccontextmanager
async def bucket_behind(server: str) -> AsyncIterator[tuple[S3Store, Destination, dict[str, str | None]]]:
    """A customer's bucket, what stands before it, and the settings of an account for it."""
    url = s3.bucket_url(server)
    parts = urlsplit(url)
    bucket = S3Store.from_url(url)
    await bucket.open()
    async with serving(Passage(server)) as destination:
        yield (
            bucket,
            destination,
            {
                "endpoint": destination.origin,
                "bucket": parts.path.strip("/"),
                "access_key": parts.username,
                "secret_key": parts.password,
            },
        )
    await bucket.close()


async def test_another_worker_goes_on_where_a_killed_one_was(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, destination: Destination, taker: FileTaker
) -> None:
    # Given a worker of another process in the middle of an upload
    destination.next_requests(stalls(destination))
    async with (
        running(database_dsn, store, tmp_path, loops=()) as rig,
        other_worker(database_dsn, place, tmp_path) as process,
    ):
        event = await rig.publishes(url_account(destination), body=LARGE)
        async with asyncio.timeout(60):
            await destination.stalled.wait()

        # When that process is killed
        process.kill()
        await asyncio.to_thread(process.wait)

    # Then another one publishes it when the lease has ended, and nobody outside notices
    async with running(database_dsn, store, tmp_path) as other:
        end = await other.end(event)
        assert (end.status, end.attempts) == ("published", 1)
        assert await other.steps(event) == ["scheduled", "dispatching", "published"]
    assert [size for _name, size, _digest in taker.files.values()] == [len(LARGE)]
    assert len(destination.requests) == 2


async def test_a_worker_that_stops_gives_back_what_it_has(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    destination.next_requests(stalls(destination))
    async with running(database_dsn, disk, tmp_path, loops=()) as watcher:
        async with running(database_dsn, disk, tmp_path, delivery_publication_lease_seconds=3600) as rig:
            event = await rig.publishes(url_account(destination))
            await destination.stalled.wait()
        row = await watcher.row(event)
        assert (row["status"], row["lease"], row["losses"], row["attempts"]) == ("dispatching", None, 0, 0)
    async with running(database_dsn, disk, tmp_path) as rig:
        assert (await rig.end(event)).status == "published"
        assert await rig.steps(event) == ["scheduled", "dispatching", "published"]


async def test_a_worker_that_stops_lets_end_what_ends_soon(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    stopping = asyncio.Event()

    async def ends_soon(request: web.Request, serve: Serve) -> web.StreamResponse:
        destination.stalled.set()
        await stopping.wait()
        return await serve(request)

    destination.next_requests(ends_soon)
    async with running(database_dsn, disk, tmp_path, loops=()) as watcher:
        async with running(database_dsn, disk, tmp_path) as rig:
            event = await rig.publishes(url_account(destination))
            await destination.stalled.wait()
            asyncio.get_running_loop().call_later(0.1, stopping.set)
        assert (await watcher.end(event)).status == "published"
    assert len(destination.requests) == 1


async def test_a_lease_is_kept_as_long_as_an_upload_runs(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    # Given an upload that lasts much longer than its lease, and another worker that waits for that to end
    enough = asyncio.Event()

    async def lasts(request: web.Request, serve: Serve) -> web.StreamResponse:
        destination.stalled.set()
        await enough.wait()
        return await serve(request)

    destination.next_requests(lasts)
    async with running(database_dsn, disk, tmp_path) as rig, running(database_dsn, disk, tmp_path):
        event = await rig.publishes(url_account(destination))
        await destination.stalled.wait()
        first = (await rig.row(event))["next_at"]

        # When the lease would have ended three times over
        async def has_been_extended() -> bool:
            return bool(((await rig.row(event))["next_at"] - first).total_seconds() > 3 * 1.5)

        await until(has_been_extended)
        enough.set()

        # Then it was the only attempt
        assert (await rig.end(event)).status == "published"
        assert len(destination.requests) == 1


async def test_a_worker_that_has_lost_its_lease_stops_and_says_nothing(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    destination.next_requests(stalls(destination))
    async with running(database_dsn, disk, tmp_path) as rig:
        event = await rig.publishes(url_account(destination))
        await destination.stalled.wait()
        await rig.rows("UPDATE publications SET lease = $1, next_at = now() + interval '1 hour'", uuid4())

        async def has_stopped() -> bool:
            return destination.running == 0

        await until(has_stopped)
        assert await rig.steps(event) == ["scheduled", "dispatching"]
        assert (await rig.row(event))["attempts"] == 0


async def test_a_publication_that_keeps_killing_its_workers_is_given_up(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, destination: Destination
) -> None:
    async with running(database_dsn, disk, tmp_path, loops=()) as rig:
        event = await rig.publishes(url_account(destination))
        await rig.rows("UPDATE publications SET losses = $1", MAX_LOSSES)
    async with running(database_dsn, disk, tmp_path) as rig:
        end = await rig.end(event)
        assert (end.status, end.error_code) == ("failed", "internal")
    assert destination.requests == []


@pytest.mark.timeout(300)
async def test_killed_workers_and_failing_destinations_publish_everything_once(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, s3_server: str
) -> None:
    # Given 60 uploads to five accounts each, whose destinations fail, hang up and forget to answer at random
    files, forms, hooks = FileTaker("token-of-acme"), FileTaker("token-of-acme"), HookTaker(SECRET)
    random = Random(4)
    choices: list[Fault] = [passes, passes, fails(503), cuts(10), forgets_to_answer]
    async with (
        serving(files) as by_put,
        serving(forms) as by_form,
        serving(hooks) as by_link,
        bucket_behind(s3_server) as (bucket, by_bucket, bucket_settings),
        running(database_dsn, store, tmp_path, loops=()) as rig,
    ):
        for served in (by_put, by_form, by_link, by_bucket):
            served.next_requests(*random.choices(choices, k=150))
        headers = {"Authorization": "Bearer token-of-acme"}
        accounts = [
            folder_account(),
            url_account(by_put),
            account("http", {"url": f"{by_form.origin}/", "method": "POST", "headers": headers}),
            account("webhook", {"url": f"{by_link.origin}/hook", "secret": SECRET}),
            account("s3", bucket_settings),
        ]
        completed = [await rig.upload(b"small" * number) for number in range(1, 61)]
        events = [requested(one.upload_id, *accounts) for one in completed]
        await rig.hear(*accounts, *events, *completed)

        # When workers are killed over it again and again
        async def left() -> int:
            [row] = await rig.rows("SELECT count(*) FROM publications WHERE ended_at IS NULL")
            return int(row["count"])

        for share in (250, 200, 150, 100, 50, 0):
            async with other_worker(database_dsn, place, tmp_path):

                async def has_its_share(share: int = share) -> bool:
                    return await left() <= share

                await until(has_its_share, seconds=100)

        # Then each publication has one end, and is where it says, once
        told = await rig.told_of_all()
        assert len(told) == 300
        for steps in told.values():
            assert [one.sequence for one in steps] == list(range(1, len(steps) + 1))
            assert sum(one.status in ("published", "failed") for one in steps) == 1
        published = {key for key, steps in told.items() if steps[-1].status == "published"}
        objects = [info.key async for page in bucket.list("") for info in page]
        there = {path.name[:36] for path in rig.files()} | set(files.files) | set(forms.files) | set(hooks.messages)
        there |= {key[:36] for key in objects}
        assert {str(key) for key in published} <= there
        assert len(rig.files()) == 60
        assert len(objects) == len(set(objects)) <= 60
