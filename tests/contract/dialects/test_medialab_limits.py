"""The limits of an upload id of the MediaLab API, each at its edge and under 50 uploads at the same time, on both stores."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse

from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.medialab import File, MediaLab, medialab_of

AT_ONCE = 50


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


async def all_at_once(api: MediaLab, url: str, *files: File) -> Counter[str]:
    """What became of 50 uploads: `ok` or the error's code."""

    async def outcome(response: ClientResponse) -> str:
        body = await response.json()
        return str(body.get("error", "ok"))

    responses = await asyncio.gather(*(api.send(url, *files) for _ in range(AT_ONCE)))
    return Counter([await outcome(response) for response in responses])


async def only(api: MediaLab, registered: Any, count: int) -> None:
    """So many files are registered, told and stored, and nothing else is."""
    files = (await api.finish(registered["ulid"]))["files"]
    events = await api.registered()
    assert len(files) == count
    assert {file["file_id"] for file in files} == {str(event.upload_id) for event in events}
    assert sorted(await api.staged()) == sorted(event.staging_key for event in events)


async def test_a_file_may_be_as_large_as_max_filesize_says(api: MediaLab) -> None:
    # M-13
    registered = await api.register(max_filesize=1000, autofinish=0)
    url = registered["url_upload_direct"]
    await api.upload(url, File(bytes(1000)))
    await api.upload(url, File(bytes(1000)), File(bytes(1000)))

    await api.refused(await api.send(url, File(bytes(1001))), 413, "max_filesize_exceeded")
    await api.refused(await api.send(url, File(bytes(10)), File(bytes(1001))), 413, "max_filesize_exceeded")
    await api.refused(await api.send(url, File(bytes(6 * 2**20))), 413, "max_filesize_exceeded")

    await only(api, registered, 3)


async def test_no_file_may_be_larger_than_the_platform_takes(make_gateway: Any) -> None:
    api = medialab_of(await make_gateway(gateway_max_upload_bytes=1000))
    url = (await api.register(max_filesize=5000, max_size=5000, autofinish=0))["url_upload_direct"]
    await api.upload(url, File(bytes(1000)))

    await api.refused(await api.send(url, File(bytes(1001))), 413, "max_filesize_exceeded")
    url = (await api.register())["url_upload_direct"]
    await api.refused(await api.send(url, File(bytes(1001))), 413, "file_too_large")


async def test_files_may_be_as_many_as_max_files_says(api: MediaLab) -> None:
    # M-14
    registered = await api.register(max_files=3, autofinish=0)
    url = registered["url_upload_direct"]
    await api.upload(url)

    await api.refused(await api.send(url, File(), File(), File()), 409, "max_files_exceeded")  # all of them or none
    await api.upload(url, File(), File())
    await api.refused(await api.send(url, File()), 409, "max_files_exceeded")

    await only(api, registered, 3)


async def test_files_may_be_as_large_together_as_max_size_says(api: MediaLab) -> None:
    # M-15
    registered = await api.register(max_size=1000, autofinish=0)
    url = registered["url_upload_direct"]
    await api.upload(url, File(bytes(400)))

    await api.refused(await api.send(url, File(bytes(601))), 413, "max_size_exceeded")
    await api.refused(await api.send(url, File(bytes(300)), File(bytes(301))), 413, "max_size_exceeded")
    await api.refused(await api.send(url, File(bytes(6 * 2**20))), 413, "max_size_exceeded")
    await api.upload(url, File(bytes(300)), File(bytes(300)))
    await api.refused(await api.send(url, File(b"x")), 413, "max_size_exceeded")

    await only(api, registered, 3)


async def test_the_smallest_limit_is_the_one_that_is_told(api: MediaLab) -> None:
    # M-13, M-15
    url = (await api.register(max_size=100, max_filesize=50))["url_upload_direct"]
    await api.refused(await api.send(url, File(bytes(51))), 413, "max_filesize_exceeded")
    url = (await api.register(max_size=50, max_filesize=100))["url_upload_direct"]
    await api.refused(await api.send(url, File(bytes(51))), 413, "max_size_exceeded")


@pytest.mark.parametrize(
    "extensions", ["mp4,mov", ".MP4 .mov", "mp4;.mov|jpg", ["mp4", "MOV"], [".mp4", ".mov"], ["mp4,mov"]], ids=str
)
async def test_only_listed_extensions_are_taken(api: MediaLab, extensions: object) -> None:
    # M-16: the vendor does not publish the list's form
    registered = await api.register(file_extensions=extensions, autofinish=0)
    url = registered["url_upload_direct"]
    for name in ("a.mp4", "B.MP4", "c.x.mov"):
        await api.upload(url, File(filename=name))

    for name in ("a.exe", "mp4", "a.mp4.exe", "a", ".mp4x", "a.mp4."):
        await api.refused(await api.send(url, File(filename=name)), 415, "file_extension_not_allowed")
    await api.refused(await api.send(url, File(filename="a.mp4"), File(filename="a.exe")), 415, "file_extension_not_allowed")

    await only(api, registered, 3)


async def test_php_sends_lists_in_brackets(api: MediaLab) -> None:
    # M-16, M-21
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"file_extensions%5B0%5D=mp4&file_extensions%5B1%5D=mov"
    url = (await api.ok("POST", "/api/upload/id", data=body, headers=headers))["url_upload_direct"]

    await api.refused(await api.send(url, File(filename="a.txt")), 415, "file_extension_not_allowed")
    await api.upload(url, File(filename="a.mov"))


async def test_max_files_holds_exactly_under_concurrency(api: MediaLab) -> None:
    # M-14
    registered = await api.register(max_files=7, autofinish=0)

    outcomes = await all_at_once(api, registered["url_upload_direct"], File())

    assert outcomes == {"ok": 7, "max_files_exceeded": AT_ONCE - 7}
    await only(api, registered, 7)


async def test_max_files_holds_for_forms_with_several_files(api: MediaLab) -> None:
    # M-14
    registered = await api.register(max_files=7, autofinish=0)

    outcomes = await all_at_once(api, registered["url_upload_direct"], File(), File(), File())

    assert outcomes == {"ok": 2, "max_files_exceeded": AT_ONCE - 2}
    await only(api, registered, 6)


async def test_max_size_holds_exactly_under_concurrency(api: MediaLab) -> None:
    # M-15
    registered = await api.register(max_size=10_500, max_filesize=1000, autofinish=0)

    outcomes = await all_at_once(api, registered["url_upload_direct"], File(bytes(1000)))

    assert outcomes == {"ok": 10, "max_size_exceeded": AT_ONCE - 10}
    await only(api, registered, 10)
    assert sum(event.constraints.size_bytes or 0 for event in await api.registered()) == 10_000


async def test_limits_hold_for_files_that_take_their_time(api: MediaLab) -> None:
    # M-14, M-15: all of them are under way when the first one is accepted
    large = File(bytes(400_000))
    registered = await api.register(max_size=6 * 400_000, max_files=5, autofinish=0)

    outcomes = await all_at_once(api, registered["url_upload_direct"], large)

    assert outcomes == {"ok": 5, "max_files_exceeded": AT_ONCE - 5}
    await only(api, registered, 5)


async def test_limits_hold_across_replicas(make_gateway: Any) -> None:
    # M-14
    api, other = medialab_of(await make_gateway()), medialab_of(await make_gateway())
    registered = await api.register(max_files=9, autofinish=0)

    outcomes = await asyncio.gather(
        *(all_at_once(replica, registered["url_upload_direct"], File()) for replica in (api, other))
    )

    assert sum(outcomes, Counter()) == {"ok": 9, "max_files_exceeded": 2 * AT_ONCE - 9}
    assert len((await api.finish(registered["ulid"]))["files"]) == 9


async def test_one_of_many_uploads_finishes_the_id(api: MediaLab) -> None:
    # M-19
    registered = await api.register()

    outcomes = await all_at_once(api, registered["url_upload_direct"], File())

    assert outcomes == {"ok": 1, "upload_id_finished": AT_ONCE - 1}
    await only(api, registered, 1)


async def test_the_finish_call_tells_every_file_that_was_accepted(api: MediaLab) -> None:
    # M-12: whoever comes later is refused, whoever was accepted is told
    registered = await api.register(autofinish=0)
    sending = asyncio.create_task(all_at_once(api, registered["url_upload_direct"], File()))
    finished = await api.finish(registered["ulid"])
    outcomes = await sending

    assert outcomes.keys() <= {"ok", "upload_id_finished"}
    assert outcomes["ok"] == len(finished["files"])
    await only(api, registered, outcomes["ok"])
