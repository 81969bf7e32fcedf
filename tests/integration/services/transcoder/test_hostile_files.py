"""Files made to do harm, or damaged on their way: a clear end, nothing leaked, nothing tried twice."""

import asyncio
from pathlib import Path

import pytest

from contracts.events import ProcessingCompleted, ProcessingFailed
from tests.integration.services.transcoder.rig import Rig, only
from tests.integration.services.transcoder.samples import Samples, animation, image, spoiled

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{canary}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:5,\nconcat:http://127.0.0.1:1/|file://{canary}\n",
        "ffconcat version 1.0\nfile '{canary}'\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file://{canary}</BaseURL></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n",
    ],
    ids=["hls", "hls concat", "concat", "dash", "sdp"],
)
async def test_playlists_are_never_opened_as_media(rig: Rig, tmp_path: Path, samples: Samples, content: str) -> None:
    canary = tmp_path / "canary.ts"
    canary.write_bytes(samples.video("canary.ts", seconds=1))

    upload = await rig.upload(content.format(canary=canary).encode(), "video/mp4")

    assert only(await rig.ended(upload), ProcessingFailed).code == "content_type_mismatch"
    assert await rig.keys(upload) == []


async def test_a_playlist_behind_a_movie_header_reads_no_other_file(rig: Rig, tmp_path: Path) -> None:
    content = b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n"

    upload = await rig.upload(content, "video/mp4")

    assert only(await rig.ended(upload), ProcessingFailed).code == "unreadable_media"
    assert await rig.keys(upload) == []


@pytest.mark.parametrize(
    "magic", [b"\x00\x00\x00\x18ftypmp42", b"\x1a\x45\xdf\xa3webm", b"ID3\x04", b"OggS", b"RIFF\x00\x10\x00\x00AVI ", b"fLaC"]
)
async def test_garbage_behind_a_magic_number_is_unreadable(rig: Rig, magic: bytes) -> None:
    upload = await rig.upload(magic + bytes(range(256)) * 40, "video/mp4")

    failed = only(await rig.ended(upload), ProcessingFailed)

    assert failed.code == "unreadable_media"
    assert "/" not in failed.message.replace(failed.mime_type or "", "")
    assert (await rig.job(upload))["attempts"] == 1


async def test_a_cut_off_video_is_unreadable(rig: Rig, samples: Samples) -> None:
    index_last = samples.video(seconds=4)
    index_first = samples.video("faststart.mp4", seconds=4, options=("-movflags", "+faststart"))

    for whole in (index_last, index_first):
        upload = await rig.upload(whole[: len(whole) // 2], "video/mp4")
        failed = only(await rig.ended(upload), ProcessingFailed)
        assert failed.code == "unreadable_media"
        assert await rig.keys(upload) == []


async def test_a_video_full_of_flipped_bits_comes_to_an_end(rig: Rig, samples: Samples) -> None:
    whole = samples.video("faststart.mp4", seconds=4, options=("-movflags", "+faststart"))
    uploads = [await rig.upload(spoiled(whole, seed * 2), "video/mp4") for seed in range(4)]

    for upload in uploads:
        end = (await rig.ended(upload))[-1]
        assert isinstance(end, ProcessingCompleted) or only([end], ProcessingFailed).code == "unreadable_media"
        assert (await rig.job(upload))["attempts"] == 1


async def test_two_hundred_damaged_files_each_end_once(rig: Rig, samples: Samples) -> None:
    pictures = [image("PNG", size=(60, 40)), image("JPEG", size=(60, 40)), image("WEBP", size=(60, 40)), animation()]
    streams = [
        samples.sound("a.mp3"),
        samples.sound("a.ogg"),
        samples.video("short.mp4", seconds=0.2, size="64x48", sound=False),
    ]
    others = [b"%PDF-1.7 " * 90, b"PK\x03\x04" + bytes(900), b"{" * 900, b"<svg>" * 90]
    damaged = [
        (spoiled(kind[seed % len(kind)], seed), declared)
        for kind, count, declared in ((pictures, 90, "image/png"), (streams, 15, "video/mp4"), (others, 95, None))
        for seed in range(count)
    ]
    uploads = await asyncio.gather(*(rig.put(content, declared) for content, declared in damaged))
    for upload in uploads:
        await rig.handle(upload)

    ends = [(await rig.ended(upload))[-1] for upload in uploads]

    codes = {end.code for end in ends if isinstance(end, ProcessingFailed)}
    assert codes <= {"unreadable_media", "limit_exceeded", "content_type_mismatch"}
    assert sum(isinstance(end, ProcessingFailed) for end in ends) > 40
    for upload in uploads:
        assert (await rig.job(upload))["attempts"] <= 1
