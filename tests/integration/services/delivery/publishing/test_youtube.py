"""Publications to a channel through the whole of delivery: attempts, workers that are killed, one video each."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from libs.object_store.port import ObjectStore
from services.delivery.publishing.usecases.attempting import SealedCheckpoint
from tests.integration.services.delivery.publishing.rig import (
    BODY,
    channel_account,
    other_worker,
    requested,
    running,
    until,
)
from tests.servers.destination import Destination, Fault, cuts, fails, forgets_to_answer, passes, stalls
from tests.servers.youtube import REFRESH_TOKEN, YouTube, reason_body, serving_youtube

CHUNK_BYTES = 16 * 2**20
LARGE = bytes(range(256)) * (30 * 2**12)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[YouTube, Destination, dict[str, Any]]]:
    """A channel, what stands before it, and the settings that lead there."""
    async with serving_youtube() as (channel, api, tokens):
        yield (
            channel,
            api,
            {"delivery_youtube_api_url": api.origin, "delivery_youtube_token_url": f"{tokens.origin}/token"},
        )


async def test_an_upload_is_a_video(
    database_dsn: str, store: ObjectStore, tmp_path: Path, served: tuple[YouTube, Destination, dict[str, Any]]
) -> None:  # T-20, T-23
    channel, _, settings = served
    async with running(database_dsn, store, tmp_path, **settings) as rig:
        youtube = {"categoryId": "10", "defaultLanguage": "en", "defaultAudioLanguage": "en-US"}
        event = await rig.publishes(channel_account(), description="At the sea", tags=("sea",), youtube=youtube)
        end = await rig.end(event)
    assert (end.status, end.external_id, end.attempts) == ("published", "vid-0000001", 1)
    assert channel.published == [(len(BODY), sha256(BODY).hexdigest())]
    [video] = channel.videos.values()
    assert video.resource["snippet"] == {"title": "Summer", "description": "At the sea", "tags": ["sea"], **youtube}


async def test_what_youtube_says_decides_between_another_attempt_and_the_end(
    database_dsn: str, disk: ObjectStore, tmp_path: Path, served: tuple[YouTube, Destination, dict[str, Any]]
) -> None:  # T-22, T-24
    channel, api, settings = served
    async with running(database_dsn, disk, tmp_path, **settings) as rig:
        api.next_requests(fails(403, reason_body(403, "quotaExceeded")), passes, fails(503))
        event = await rig.publishes(channel_account())
        assert (await rig.end(event)).status == "published"
        told = await rig.told(event)
        assert [one.error_code for one in told if one.status == "retrying"] == [
            "destination_quota_exceeded",
            "destination_unavailable",
        ]
        channel.processing = [{"status": {"uploadStatus": "rejected", "rejectionReason": "duplicate"}}]
        end = await rig.end(await rig.publishes(channel_account()))
        assert (end.status, end.error_code, end.attempts) == ("failed", "destination_rejected", 1)


async def test_another_worker_goes_on_where_a_killed_one_was_without_sending_a_byte_again(
    database_dsn: str,
    place: str,
    store: ObjectStore,
    tmp_path: Path,
    served: tuple[YouTube, Destination, dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    channel, api, settings = served
    # Given a worker of another process that has sent one chunk of two
    api.next_requests(passes, passes, stalls(api))
    async with (
        running(database_dsn, store, tmp_path, loops=()) as rig,
        other_worker(database_dsn, place, tmp_path, **settings) as process,
    ):
        event = await rig.publishes(channel_account(), body=LARGE)
        async with asyncio.timeout(60):
            await api.stalled.wait()

        # When that process is killed
        process.kill()
        await asyncio.to_thread(process.wait)
        [(identity, session)] = channel.sessions.items()
        assert session.received_bytes == session.arrived_bytes == CHUNK_BYTES
        sealed = str((await rig.row(event))["sealed_state"])

    # Then another one sends the other chunk, and there is one video
    asked = len(api.requests)
    async with running(database_dsn, store, tmp_path, **settings) as other:
        end = await other.end(event)
        assert (end.status, end.external_id, end.attempts) == ("published", "vid-0000001", 1)
        assert await other.steps(event) == ["scheduled", "dispatching", "published"]
    assert channel.published == [(len(LARGE), sha256(LARGE).hexdigest())]
    assert session.arrived_bytes == len(LARGE)
    assert [method for method, _path in api.requests[asked:]] == ["PUT", "PUT", "GET"]

    # And the session's address is nowhere in clear
    logged = "".join(capfd.readouterr())
    assert not any(identity in text for text in (sealed, logged, end.model_dump_json()))
    assert REFRESH_TOKEN not in logged


async def test_a_worker_that_dies_before_it_noted_the_video_leaves_one_video(
    database_dsn: str,
    disk: ObjectStore,
    tmp_path: Path,
    served: tuple[YouTube, Destination, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel, _, settings = served
    async with running(database_dsn, disk, tmp_path, **settings) as rig:
        save = SealedCheckpoint.save
        died: list[int] = []

        async def dies(self: SealedCheckpoint, state: Any) -> None:
            if "video_id" in state and not died:
                died.append(1)
                raise ConnectionResetError
            await save(self, state)

        monkeypatch.setattr(SealedCheckpoint, "save", dies)
        event = await rig.publishes(channel_account())
        assert (await rig.end(event)).external_id == "vid-0000001"
    assert (len(died), len(channel.videos), len(channel.sessions)) == (1, 1, 1)


@pytest.mark.timeout(300)
async def test_killed_workers_and_a_failing_channel_make_one_video_of_each_upload(
    database_dsn: str, place: str, store: ObjectStore, tmp_path: Path, served: tuple[YouTube, Destination, dict[str, Any]]
) -> None:
    # Given 60 uploads to a channel that fails, hangs up and forgets to answer at random
    channel, api, settings = served
    choices: list[Fault] = [passes, passes, passes, fails(503), cuts(10), forgets_to_answer]
    api.next_requests(*Random(5).choices(choices, k=200))
    async with running(database_dsn, store, tmp_path, loops=()) as rig:
        configured = channel_account()
        completed = [await rig.upload(b"small" * number) for number in range(1, 61)]
        events = [requested(one.upload_id, configured, title=str(one.upload_id)) for one in completed]
        await rig.hear(configured, *events, *completed)

        # When workers are killed over it again and again
        async def left() -> int:
            [row] = await rig.rows("SELECT count(*) FROM publications WHERE ended_at IS NULL")
            return int(row["count"])

        for share in (45, 30, 15, 0):
            async with other_worker(database_dsn, place, tmp_path, **settings):

                async def has_its_share(share: int = share) -> bool:
                    return await left() <= share

                await until(has_its_share, seconds=100)

        # Then there is one video of each upload at most, and of each that is said to be published
        told = await rig.told_of_all()
    titles = [video.resource["snippet"]["title"] for video in channel.videos.values()]
    assert len(titles) == len(set(titles)) <= 60
    ends = [steps[-1] for steps in told.values()]
    assert len(ends) == 60
    assert {end.status for end in ends} <= {"published", "failed"}
    external_ids = [end.external_id for end in ends if end.status == "published"]
    assert len(external_ids) == len(set(external_ids))
    assert set(external_ids) <= set(channel.videos)
