"""Images: what they are, and their thumbnails."""

import pytest
from PIL import Image

from contracts.events import FileInspected, GeoLocation, ImageInfo, ProcessingCompleted, ProcessingFailed
from tests.image_files.heic import heic
from tests.integration.services.transcoder.rig import Rig, only
from tests.integration.services.transcoder.samples import animation, image, photograph, png_bomb, turned_jpeg

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURNED_HEIC = heic(Image.new("RGB", (128, 64)), tile=64, orientation=6)
SVG = b"""<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg">]>
<svg xmlns="&ns_svg;" viewBox="0 0 24 12"><circle cx="6" cy="6" r="6"/></svg>"""


def wrong_checksum() -> bytes:
    """Of a resolution, which stands beside the picture."""
    content = image("PNG", dpi=(300, 300))
    at = content.index(b"pHYs") + 13
    return content[:at] + bytes(4) + content[at + 4 :]


@pytest.mark.parametrize(
    ("content", "mime_type", "info", "thumbnail", "size"),
    [
        (image("PNG"), "image/png", ("PNG", 800, 600, None, "RGB", False), "thumbnail.jpg", (512, 384)),
        (image("PNG", mode="RGBA"), "image/png", ("PNG", 800, 600, None, "RGBA", False), "thumbnail.png", (512, 384)),
        (image("WEBP", size=(90, 30)), "image/webp", ("WEBP", 90, 30, None, "RGB", False), "thumbnail.jpg", (90, 30)),
        (image("JPEG", mode="CMYK"), "image/jpeg", ("JPEG", 800, 600, None, "CMYK", False), "thumbnail.jpg", (512, 384)),
        (turned_jpeg(6), "image/jpeg", ("JPEG", 800, 600, 6, "RGB", False), "thumbnail.jpg", (384, 512)),
        (animation(), "image/gif", ("GIF", 120, 80, None, "P", True), "thumbnail.jpg", (120, 80)),
        (image("TIFF", mode="I;16"), "image/tiff", ("TIFF", 800, 600, None, "L", False), "thumbnail.jpg", (512, 384)),
        (image("BMP", size=(2000, 1)), "image/bmp", ("BMP", 2000, 1, None, "RGB", False), "thumbnail.jpg", (512, 1)),
        (image("AVIF"), "image/avif", ("AVIF", 800, 600, None, "RGB", False), "thumbnail.jpg", (512, 384)),
        (TURNED_HEIC, "image/heic", ("HEIF", 128, 64, 6, "RGB", False), "thumbnail.jpg", (64, 128)),
        (SVG, "image/svg+xml", ("SVG", 24, 12, None, "RGBA", False), "thumbnail.png", (24, 12)),
        (image("JPEG")[:-2], "image/jpeg", ("JPEG", 800, 600, None, "RGB", False), "thumbnail.jpg", (512, 384)),
        (wrong_checksum(), "image/png", ("PNG", 800, 600, None, "RGB", False), "thumbnail.jpg", (512, 384)),
        (
            image("TIFF", mode="F", big_tiff=True),
            "image/tiff",
            ("TIFF", 800, 600, None, "L", False),
            "thumbnail.jpg",
            (512, 384),
        ),
    ],
    ids=[
        "png",
        "alpha",
        "webp",
        "cmyk",
        "turned",
        "animated",
        "16 bit",
        "line",
        "avif",
        "heic",
        "svg",
        "no end",
        "checksum",
        "big",
    ],
)
async def test_image_is_described_and_gets_a_thumbnail(
    rig: Rig, content: bytes, mime_type: str, info: tuple[object, ...], thumbnail: str, size: tuple[int, int]
) -> None:
    events = await rig.processed(content, "image/png")

    inspected, completed = only(events, FileInspected), only(events, ProcessingCompleted)
    assert inspected.mime_type == completed.mime_type == mime_type
    assert inspected.image is not None
    assert described(inspected.image) == info
    [made] = completed.renditions
    assert (made.name, made.kind, (made.width, made.height)) == (thumbnail, "thumbnail", size)
    path = await rig.rendition(inspected.upload_id, thumbnail)
    assert path.stat().st_size == made.size_bytes
    with Image.open(path) as picture:
        picture.load()
        assert (picture.size, picture.get_format_mimetype()) == (size, made.content_type)
        assert not picture.getexif()


def described(info: ImageInfo) -> tuple[object, ...]:
    return (info.format, info.width, info.height, info.orientation, info.color_mode, info.sequence)


async def test_resolution_is_reported(rig: Rig) -> None:
    inspected = only(await rig.processed(turned_jpeg(1)), FileInspected)

    assert inspected.image is not None
    assert inspected.image.dpi == (300, 300)


# U-23
@pytest.mark.parametrize("transcode", [True, False])
async def test_place_and_time_are_reported(rig: Rig, transcode: bool) -> None:
    inspected = only(await rig.processed(photograph(), "image/jpeg", transcode=transcode), FileInspected)

    assert inspected.image is not None
    assert inspected.image.datetime_original == "2018-09-13T16:23:40"
    assert inspected.image.geo_location == GeoLocation(latitude=-33.8561, longitude=151.2093)


# M-17
async def test_no_thumbnail_is_made_where_none_is_wanted(rig: Rig) -> None:
    upload = await rig.upload(image("PNG"), "image/png", transcode=False)
    events = await rig.ended(upload)

    assert only(events, FileInspected).image is not None
    assert only(events, ProcessingCompleted).renditions == ()
    assert await rig.keys(upload) == []


async def test_an_image_bomb_is_refused_and_described(rig: Rig) -> None:
    events = await rig.processed(png_bomb(), "image/png")

    inspected, failed = only(events, FileInspected), only(events, ProcessingFailed)
    assert (failed.code, failed.mime_type) == ("limit_exceeded", "image/png")
    assert "100 megapixels" in failed.message
    assert inspected.image is not None
    assert described(inspected.image) == ("PNG", 20_000, 20_000, None, "L", False)


# U-23
async def test_an_image_of_any_size_is_described_where_no_thumbnail_is_wanted(rig: Rig) -> None:
    events = await rig.processed(png_bomb(), "image/png", transcode=False)

    inspected, completed = only(events, FileInspected), only(events, ProcessingCompleted)
    assert inspected.image is not None
    assert (inspected.image.width, completed.renditions) == (20_000, ())


@pytest.mark.parametrize("transcode", [True, False])
@pytest.mark.parametrize(
    ("content", "width"), [(image("PNG")[:900], 800), (image("JPEG")[:700], 800), (b"\xff\xd8\xff" + bytes(500), None)]
)
async def test_a_damaged_image_fails_once_and_clearly(rig: Rig, content: bytes, width: int | None, transcode: bool) -> None:
    upload = await rig.upload(content, "image/png", transcode=transcode)

    events = await rig.ended(upload)

    failed = only(events, ProcessingFailed)
    told = [event.image.width for event in events if isinstance(event, FileInspected) and event.image]
    assert told == ([] if width is None else [width])

    assert failed.code == "unreadable_media"
    assert failed.message.startswith("The file is damaged or not really image/")
    assert (await rig.job(upload))["attempts"] == 1
