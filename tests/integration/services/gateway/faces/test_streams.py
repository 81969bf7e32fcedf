"""A video can be read while it is being made: its playlists as far as they have grown, and the segments that they name."""

from typing import TYPE_CHECKING, Any

import pytest

from contracts.events import FileDeleted, FileInspected, ProcessingFailed, Stage, StreamStarted
from services.gateway.domain.registration import Registration
from services.gateway.files import soon
from tests.integration.services.gateway.reading.address import stream

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

MASTER = "hls/master.m3u8"
PLAYLIST = "hls/720p/index.m3u8"
SEGMENT = "hls/720p/0123abcd-00000.ts"
UNFINISHED = ("video.mp4", "poster.jpg", "hls/720p/0123abcd-00001.ts")
TYPE = "application/vnd.apple.mpegurl"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not published yet is looked for once."""
    monkeypatch.setattr(soon, "PAUSES", (0,))


async def processing(gateway: "Gateway", key: str = "key") -> Registration:
    """A video that is inspected."""
    new = await gateway.register(await gateway.tenant(key), content_type="video/mp4", extension=".mp4")
    await gateway.completed(new, b"a video")
    await gateway.happened(FileInspected(**about(new), version=Stage.INSPECTED, mime_type="video/mp4", size_bytes=7))
    return new


async def streaming(gateway: "Gateway", key: str = "key") -> Registration:
    """The same, of which a beginning can be played."""
    new = await processing(gateway, key)
    await gateway.store.write(f"files/{new.id}/renditions/{SEGMENT}", stream(b"a segment"), content_type="video/mp2t")
    for name in (PLAYLIST, MASTER):
        await gateway.store.write(f"files/{new.id}/growing/{name}", stream(b"#EXTM3U 1"), content_type=TYPE)
    await gateway.happened(StreamStarted(**about(new), version=Stage.INSPECTED, playlist=MASTER))
    return new


def about(new: Registration) -> dict[str, Any]:
    return {"upload_id": new.id, "tenant_id": new.tenant_id}


async def read(gateway: "Gateway", new: Registration, name: str) -> tuple[int, bytes, str]:
    async with gateway.client.get(f"/renditions/{new.id}/{name}") as response:
        return response.status, await response.read(), response.headers["Cache-Control"]


async def test_playlists_are_read_as_far_as_they_have_grown(gateway: "Gateway") -> None:
    new = await streaming(gateway)

    assert await read(gateway, new, PLAYLIST) == (200, b"#EXTM3U 1", "no-cache")
    await gateway.store.write(f"files/{new.id}/growing/{PLAYLIST}", stream(b"#EXTM3U 2"), content_type=TYPE)
    assert await read(gateway, new, PLAYLIST) == (200, b"#EXTM3U 2", "no-cache")
    assert await read(gateway, new, MASTER) == (200, b"#EXTM3U 1", "no-cache")


async def test_a_long_playlist_is_read_whole(gateway: "Gateway") -> None:
    new, long = await streaming(gateway), b"#EXTM3U\n" * 100_000
    await gateway.store.write(f"files/{new.id}/growing/{PLAYLIST}", stream(long), content_type=TYPE)

    assert await read(gateway, new, PLAYLIST) == (200, long, "no-cache")


async def test_segments_never_change(gateway: "Gateway") -> None:
    new = await streaming(gateway)

    status, body, cached = await read(gateway, new, SEGMENT)

    assert (status, body) == (200, b"a segment")
    assert cached.startswith("public, max-age=") and cached.endswith("immutable")


async def test_nothing_else_is_read_before_the_video_is_ready(gateway: "Gateway") -> None:
    new = await streaming(gateway)
    for name in UNFINISHED[:2]:  # of an attempt that was broken off
        await gateway.store.write(f"files/{new.id}/renditions/{name}", stream(b"unfinished"), content_type="video/mp4")

    for name in (*UNFINISHED, "growing/hls/master.m3u8"):
        assert (await read(gateway, new, name))[0] == 404


async def test_nothing_is_read_before_there_is_a_stream(gateway: "Gateway") -> None:
    new = await processing(gateway)
    await gateway.store.write(f"files/{new.id}/growing/{MASTER}", stream(b"#EXTM3U"), content_type=TYPE)

    assert (await read(gateway, new, MASTER))[0] == 404


async def test_when_it_is_ready_the_final_playlist_is_read_at_once(gateway: "Gateway") -> None:
    new = await streaming(gateway)
    assert (await read(gateway, new, PLAYLIST))[1] == b"#EXTM3U 1"
    await gateway.store.write(f"files/{new.id}/renditions/{PLAYLIST}", stream(b"#EXTM3U the end"), content_type=TYPE)

    await gateway.ready(new, "video/mp4")

    status, body, cached = await read(gateway, new, PLAYLIST)
    assert (status, body) == (200, b"#EXTM3U the end")
    assert cached.endswith("immutable")


async def test_what_failed_or_was_deleted_is_not_read_any_more(gateway: "Gateway") -> None:
    keys = ("failed", "deleted")
    failed, deleted = [await streaming(gateway, key) for key in keys]

    await gateway.happened(
        ProcessingFailed(**about(failed), version=Stage.PROCESSED, code="unreadable_media", message="The video is damaged.")
    )
    await gateway.happened(FileDeleted(**about(deleted), version=Stage.REMOVED))

    for new, key in zip((failed, deleted), keys, strict=True):
        for name in (MASTER, PLAYLIST, SEGMENT):
            assert (await read(gateway, new, name))[0] == 404
        assert (await shown(gateway, new, key))["stream_url"] is None


async def test_the_upload_tells_where_it_is_played(gateway: "Gateway") -> None:
    new = await processing(gateway, "another key")
    assert (await shown(gateway, new, "another key"))["stream_url"] is None

    playing = await streaming(gateway)
    upload = await shown(gateway, playing)
    assert (upload["state"], upload["stream_url"]) == ("PROCESSING", f"http://files.test/renditions/{playing.id}/{MASTER}")
    assert upload["timeline"][-1]["type"] == "processing.stream-started.v1"
    assert upload["timeline"][-1]["summary"] == {"playlist": MASTER}

    await gateway.ready(playing, "video/mp4")
    assert (await shown(gateway, playing))["stream_url"] == upload["stream_url"]


async def shown(gateway: "Gateway", new: Registration, key: str = "key") -> dict[str, Any]:
    async with gateway.client.get(f"/platform/v1/uploads/{new.id}", headers={"X-API-Key": key}) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
    return found
