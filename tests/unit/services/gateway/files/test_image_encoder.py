"""What stands in the file that is made: its format, its metadata and its colour profile."""

import io
from pathlib import Path

import pytest
import pyvips
from PIL import ExifTags, Image, ImageCms

from libs.image.tone import as_srgb
from services.gateway.domain.image.operation import Settings
from services.gateway.domain.image.parsing import parse_operations
from services.gateway.files.image_encoder import chosen_format, save

CAMERA, ARTIST, SERIAL, COPYRIGHT, TAKEN = "Camera", "A. Person", "SN-1", "(c) Somebody", "2020:01:02 03:04:05"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(**options: object) -> pyvips.Image:
    """With all kinds of metadata."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright] = CAMERA, ARTIST, COPYRIGHT
    exif.get_ifd(ExifTags.IFD.Exif).update({
        ExifTags.Base.DateTimeOriginal: TAKEN, ExifTags.Base.BodySerialNumber: SERIAL
    })  # fmt: skip
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 20.0, 0.0)})
    content = io.BytesIO()
    Image.new("RGB", (16, 8), (255, 0, 0)).save(content, "JPEG", exif=exif, xmp=b"<x:xmpmeta>place</x:xmpmeta>", **options)
    return pyvips.Image.jpegload_buffer(content.getvalue())


def saved(image: pyvips.Image, chosen: str, operations: str, folder: Path) -> Image.Image:
    path = folder / "result"
    save(image, str(path), chosen, parse_operations(operations).transformation.settings)
    result = Image.open(path)
    result.load()
    return result


@pytest.mark.parametrize("chosen", ["jpeg", "png", "webp", "avif"])
def test_metadata_is_left_out_unless_it_is_asked_for(chosen: str, tmp_path: Path) -> None:  # U-05
    for operations in ("preview/", "strip_meta/all/"):
        result = saved(photo(), chosen, operations, tmp_path)
        assert (result.format, dict(result.getexif()), "xmp" in result.info) == (chosen.upper(), {}, False)


@pytest.mark.parametrize("chosen", ["jpeg", "png", "webp", "avif"])
def test_metadata_stays_where_it_is_asked_for(chosen: str, tmp_path: Path) -> None:
    exif = saved(photo(), chosen, "strip_meta/none/", tmp_path).getexif()

    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Artist]) == (CAMERA, ARTIST)
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (52.0, 30.0, 0.0)


@pytest.mark.parametrize("chosen", ["jpeg", "png", "webp", "avif"])
def test_what_tells_about_places_and_persons_is_left_out_of_the_rest(chosen: str, tmp_path: Path) -> None:
    result = saved(photo(), chosen, "strip_meta/sensitive/", tmp_path)
    exif = result.getexif()
    detailed = exif.get_ifd(ExifTags.IFD.Exif)

    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Copyright]) == (CAMERA, COPYRIGHT)
    assert detailed[ExifTags.Base.DateTimeOriginal] == TAKEN
    assert ExifTags.Base.Artist not in exif and ExifTags.Base.BodySerialNumber not in detailed
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo) and "xmp" not in result.info


@pytest.mark.parametrize(("operations", "expected"), [("preview/", None), ("progressive/yes/", 1), ("progressive/no/", None)])
def test_a_jpeg_is_progressive_where_it_is_asked_for(operations: str, expected: int | None, tmp_path: Path) -> None:
    assert saved(photo(), "jpeg", operations, tmp_path).info.get("progressive") == expected
    assert "progressive" not in saved(photo(), "png", operations, tmp_path).info


def test_transparency_takes_the_fill_colour_in_a_jpeg(tmp_path: Path) -> None:
    clear = photo().bandjoin(0)

    for operations, expected in (("preview/", (255, 255, 255)), ("setfill/00f/", (0, 0, 255))):
        pixel = saved(clear, "jpeg", operations, tmp_path).getpixel((8, 4))
        assert pixel == pytest.approx(expected, abs=3)
    assert saved(clear, "png", "preview/", tmp_path).mode == "RGBA"


@pytest.mark.parametrize(
    ("operations", "is_kept"),
    [
        ("preview/", False),
        ("srgb/fast/", False),
        ("srgb/icc/", False),
        ("srgb/keep_profile/", True),
        ("max_icc_size/0/", False),
        ("max_icc_size/10/", True),
        ("max_icc_size/10/-/srgb/icc/", True),
    ],
)
def test_a_colour_profile_is_applied_or_stays(operations: str, is_kept: bool, tmp_path: Path) -> None:
    settings = parse_operations(operations).transformation.settings
    assert len(PROFILE) < 10 * 1024

    for chosen in ("jpeg", "png"):
        prepared = as_srgb(photo(icc_profile=PROFILE), settings.kept_profile_bytes)
        result = saved(prepared, chosen, operations, tmp_path)
        assert result.info.get("icc_profile") == (PROFILE if is_kept else None)
        assert result.convert("RGB").getpixel((8, 4)) == pytest.approx((255, 0, 0), abs=4)


def test_a_profile_of_other_colours_is_always_applied(tmp_path: Path) -> None:
    content = io.BytesIO()
    grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("L", (16, 8), 128).save(content, "PNG", icc_profile=grey)

    prepared = as_srgb(pyvips.Image.pngload_buffer(content.getvalue()), Settings(srgb="keep_profile").kept_profile_bytes)

    result = saved(prepared, "png", "srgb/keep_profile/", tmp_path)
    assert result.mode == "RGB" and "icc_profile" not in result.info


@pytest.mark.parametrize(
    ("asked", "original", "accepts_webp", "opaque", "transparent"),
    [
        ("auto", "jpeg", True, "webp", "webp"),
        ("auto", "jpeg", False, "jpeg", "png"),
        ("preserve", "png", True, "png", "png"),
        ("preserve", "jpeg", True, "jpeg", "jpeg"),
        ("preserve", "gif", True, "jpeg", "png"),
        ("avif", "jpeg", True, "avif", "avif"),
    ],
)
def test_the_format_is_chosen(asked: str, original: str, accepts_webp: bool, opaque: str, transparent: str) -> None:
    for image, expected in ((photo(), opaque), (photo().bandjoin(0), transparent)):
        assert chosen_format(asked, original, image, accepts_webp=accepts_webp) == expected  # type: ignore[arg-type]
