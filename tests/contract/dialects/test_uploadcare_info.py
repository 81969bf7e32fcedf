"""What the Uploadcare API tells of a file (U-23, U-32, U-45), on both stores."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import (
    AudioStream,
    FileDeleteRequested,
    GeoLocation,
    ImageInfo,
    MediaInfo,
    ProcessingFailed,
    Stage,
    UploadAbortRequested,
    UploadRegistered,
    VideoStream,
)
from services.gateway.dialects.uploadcare import verdict
from services.gateway.dialects.uploadcare.file_info import sanitized
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import PNG, File, Request, Uploadcare, uploadcare_of

KEYS = {
    "uuid", "file_id", "size", "total", "done", "original_filename", "filename", "mime_type", "image_info", "video_info",
    "content_info", "metadata", "is_image", "is_stored", "is_ready",
}  # fmt: skip


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


async def test_a_file_is_there_at_once_and_ready_when_inspected(api: Uploadcare) -> None:
    # U-23, U-32
    file_id = await api.upload(content=PNG, filename="IMG-0412_123.JPG", content_type="application/octet-stream")
    info = await api.ok(api.info(file_id))
    assert set(info) == KEYS
    assert info == {
        "uuid": file_id, "file_id": file_id, "size": len(PNG), "total": len(PNG), "done": len(PNG), "metadata": {},
        "original_filename": "IMG-0412_123.JPG", "filename": "IMG0412_123.JPG", "mime_type": "application/octet-stream",
        "image_info": None, "video_info": None, "content_info": None,
        "is_image": False, "is_stored": False, "is_ready": False,
    }  # fmt: skip

    await api.accepted(file_id, len(PNG))
    assert (await api.ok(api.info(file_id)))["is_ready"] is False
    image = ImageInfo(
        format="png", width=4, height=3, color_mode="RGBA", dpi=(72.009, 71.99), orientation=6, sequence=True,
        datetime_original="2018-09-13T16:23:40", geo_location=GeoLocation(latitude=-33.9, longitude=18.4),
    )  # fmt: skip
    await api.inspected(file_id, mime_type="image/png", image=image)

    info = await api.ok(api.info(file_id))
    expected = {
        "format": "PNG", "width": 4, "height": 3, "color_mode": "RGBA", "orientation": 6, "dpi": [72, 72], "sequence": True,
        "geo_location": {"latitude": -33.9, "longitude": 18.4}, "datetime_original": "2018-09-13T16:23:40",
    }  # fmt: skip
    assert info["image_info"] == expected
    mime = {"mime": "image/png", "type": "image", "subtype": "png"}
    assert info["content_info"] == {"mime": mime, "image": expected, "video": None}
    assert (info["mime_type"], info["is_image"], info["is_ready"]) == ("application/octet-stream", True, True)


@pytest.mark.parametrize(("code", "is_image"), [("unreadable_media", False), ("limit_exceeded", True)])
async def test_a_damaged_image_is_described_and_none(api: Uploadcare, code: str, is_image: bool) -> None:
    # U-23: images can be made of one that is too large for a thumbnail, not of half a one
    file_id = await api.upload(content_type="image/jpeg")
    await api.accepted(file_id)
    await api.inspected(file_id, mime_type="image/jpeg", image=ImageInfo(format="JPEG", width=4, height=3))
    failed = ProcessingFailed(**api.gateway.about(file_id), version=Stage.PROCESSED, code=code, message="no thumbnail")
    await api.gateway.handle(failed)

    info = await api.ok(api.info(file_id))
    assert (info["image_info"]["width"], info["is_image"], info["is_ready"]) == (4, is_image, True)


async def test_a_video_has_its_streams(api: Uploadcare) -> None:
    # U-23: milliseconds and kbit/s
    file_id = await api.upload(filename="clip.mp4", content_type="video/mp4")
    await api.accepted(file_id)
    media = MediaInfo(
        format="mp4", duration_seconds=261.8271, bitrate_bps=393_400,
        video=(VideoStream(codec="h264", width=640, height=360, frame_rate=30, bitrate_bps=315_000),
               VideoStream(codec="mjpeg", width=64, height=36)),
        audio=(AudioStream(codec="aac", channels=2, sample_rate_hz=44_100, bitrate_bps=78_000),),
    )  # fmt: skip
    await api.inspected(file_id, mime_type="video/mp4", media=media)

    info = await api.ok(api.info(file_id))
    expected = {
        "duration": 261827, "format": "mp4", "bitrate": 393,
        "video": [{"height": 360, "width": 640, "frame_rate": 30.0, "bitrate": 315, "codec": "h264"},
                  {"height": 36, "width": 64, "frame_rate": 0.0, "bitrate": None, "codec": "mjpeg"}],
        "audio": [{"bitrate": 78, "codec": "aac", "sample_rate": 44100, "channels": 2}],
    }  # fmt: skip
    assert (info["video_info"], info["content_info"]["video"], info["is_image"]) == (expected, expected, False)


async def test_a_colour_mode_that_clients_do_not_know_is_grey(api: Uploadcare) -> None:
    # U-23
    file_id = await api.upload()
    await api.accepted(file_id)
    await api.inspected(file_id, mime_type="image/tiff", image=ImageInfo(format="TIFF", width=1, height=1, color_mode="I;16"))
    info = await api.ok(api.info(file_id))
    assert (info["image_info"]["color_mode"], info["image_info"]["dpi"]) == ("L", None)


async def test_a_file_that_cannot_be_opened_is_ready_too(api: Uploadcare) -> None:
    # U-32: clients ask without end until it is
    file_id = await api.upload()
    await api.accepted(file_id)
    failed = ProcessingFailed(**api.gateway.about(file_id), version=Stage.PROCESSED, code="unreadable_media", message="damaged")
    await api.gateway.handle(failed)
    assert (await api.ok(api.info(file_id)))["is_ready"] is True


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("IMG-0412_123.JPG", "IMG0412_123.JPG"),
        ("Screen Shot (2) 3.04.39.jpeg", "ScreenShot230439.jpeg"),
        ("archive.tar.gz", "archivetar.gz"),
        ("фото.png", "file.png"),
        (".htaccess", "htaccess"),
        ("README", "README"),
        ("a.%$", "a"),
        ("...", "file"),
        ("100%.txt", "100.txt"),
    ],
)
def test_a_file_name_keeps_only_what_it_may(name: str, shown: str) -> None:
    # U-23, U-25
    assert sanitized(name) == shown


async def test_a_file_is_asked_for_by_its_id(api: Uploadcare) -> None:
    # U-32, U-E42, U-E44, U-E45
    await api.refused("U-E44", api.info(""))
    await api.refused("U-E44", Request("/info/", "GET", query=[api.key()]))
    for file_id in ("me", "0" * 32, "67947755-1584-4e3f-902b-d4e2bf76a84", "67947755-1584-4e3f-902b-d4e2bf76a841/x"):
        await api.refused("U-E42", api.info(file_id))
    await api.refused("U-E45", api.info("67947755-1584-4e3f-902b-d4e2bf76a841"))
    other = await uploadcare_of(api.gateway)
    await api.refused("U-E45", api.info(await other.upload()))
    await api.refused("U-E45", api.info((await api.ok(api.start()))["uuid"]))
    file_id = await api.upload()
    assert (await api.ok(api.info(file_id.upper())))["uuid"] == file_id


@pytest.mark.composed
async def test_a_file_that_is_gone_is_not_found(api: Uploadcare) -> None:
    # U-03, U-E45
    file_id, stored = await api.upload(), await api.upload(("UPLOADCARE_STORE", "1"))
    await api.accepted(file_id)
    api.gateway.clock.offset = timedelta(hours=24, seconds=1)
    await api.refused("U-E45", api.info(file_id))
    await api.ok(api.info(stored))
    await api.gateway.remove(stored)
    await api.refused("U-E45", api.info(stored))


async def test_a_file_that_was_refused_says_why(api: Uploadcare) -> None:
    # U-E14, U-E79, U-E30, U-45
    file_id = await api.upload()
    await api.rejected(file_id, "infected", "Win.Test.EICAR_HDB-1")
    await api.refused("U-E79", api.info(file_id), "Win.Test.EICAR_HDB-1")
    file_id = await api.upload()
    await api.rejected(file_id, "size_mismatch", "Declared 5 bytes, stored 4.")
    await api.refused("U-E30", api.info(file_id))
    file_id = await api.upload()
    await api.rejected(file_id, "too_large_to_scan", "The scanner takes 25 MB.")
    await api.refused("U-E14", api.info(file_id))


# ---------------------------------------------------------------- with a scanner


@pytest_asyncio.fixture
async def scanned(make_gateway: Callable[..., Any]) -> Uploadcare:
    return await uploadcare_of(await make_gateway(clamd_url="tcp://127.0.0.1:3310"))


async def decided(api: Uploadcare, known: int = 0, count: int = 1, *, infected: str | None = None) -> None:
    """As the session service does it meanwhile: of the uploads that come the first is infected, the others are fine."""
    async with asyncio.timeout(30):
        while len(events := (await api.gateway.emitted(UploadRegistered))[known:]) < count:
            await asyncio.sleep(0.02)
    for number, event in enumerate(events):
        if infected is not None and number == 0:
            await api.rejected(str(event.upload_id), "infected", infected)
        else:
            await api.accepted(str(event.upload_id))


async def test_an_upload_waits_for_the_scanner_and_names_the_virus(scanned: Uploadcare) -> None:
    # U-E79, U-45
    for query in ((), (("jsonerrors", "1"),)):
        known = len(await scanned.gateway.emitted(UploadRegistered))
        sending = asyncio.create_task(scanned.send(scanned.direct(query=query)))
        await decided(scanned, known, infected="Eicar")
        response = await sending
        assert response.status == (200 if query else 400)
        error = {"status_code": 400, "content": "The file is infected by Eicar virus.", "error_code": "FileInfectedError"}
        assert await response.json() == {"error": error}


async def test_the_others_of_an_infected_request_are_given_up(scanned: Uploadcare) -> None:
    # U-45: the client was told of no file at all
    sending = asyncio.create_task(scanned.send(scanned.direct(files=[File("a"), File("b")])))
    await decided(scanned, count=2, infected="Eicar")
    assert (await sending).status == 400
    [first, second] = await scanned.gateway.emitted(UploadRegistered)
    assert [event.upload_id for event in await scanned.gateway.emitted(FileDeleteRequested)] == [second.upload_id]
    assert first.upload_id not in [event.upload_id for event in await scanned.gateway.emitted(UploadAbortRequested)]
    await scanned.refused("U-E45", scanned.info(str(second.upload_id)))
    await scanned.refused("U-E79", scanned.info(str(first.upload_id)), "Eicar")


async def test_a_clean_file_is_answered_when_it_is_accepted(scanned: Uploadcare) -> None:
    # U-45
    sending = asyncio.create_task(scanned.ok(scanned.direct()))
    await decided(scanned)
    assert list(await sending) == ["file"]


async def test_a_slow_scanner_holds_up_nobody_for_ever(scanned: Uploadcare, monkeypatch: pytest.MonkeyPatch) -> None:
    # U-45
    monkeypatch.setattr(verdict, "WAIT_SECONDS", 0.2)
    file_id = await scanned.upload()
    await scanned.rejected(file_id, "infected", "Eicar")
    await scanned.refused("U-E79", scanned.info(file_id), "Eicar")
