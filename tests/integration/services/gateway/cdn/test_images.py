"""Images made on the fly: what comes out of each operation and each format (U-05)."""

import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from PIL import Image, ImageCms

from contracts.ids import UploadId
from tests.image_files.tiff import tiff
from tests.integration.services.gateway.cdn.picture import (
    BLUE,
    GREEN,
    RED,
    SVG,
    WHITE,
    Colour,
    colour,
    decoded,
    encoded,
    halves,
    is_like,
)

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

DAMAGED = "The image is damaged or in a variant that cannot be processed."
BROWSER = {"Accept": "image/avif,image/webp,image/apng,*/*;q=0.8"}


async def published(gateway: "Gateway", body: bytes, content_type: str = "image/jpeg") -> UploadId:
    tenant = await gateway.tenant(uuid4().hex)
    return (await gateway.published(tenant, body, dialect="uploadcare", content_type=content_type)).id


async def made(gateway: "Gateway", path: str, headers: dict[str, str] | None = None) -> Image.Image:
    async with gateway.client.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        content = await response.read()
        assert response.headers["Content-Length"] == str(len(content))
    image = decoded(content)
    assert response.content_type == f"image/{(image.format or '').lower()}"
    return image


async def refused(gateway: "Gateway", path: str) -> tuple[int, str]:
    async with gateway.client.get(path) as response:
        assert response.content_type == "text/plain"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        return response.status, await response.text()


RESULTS: list[tuple[str, tuple[int, int], Colour, Colour]] = [
    ("preview/", (400, 200), RED, BLUE),
    ("preview/100x100/", (100, 50), RED, BLUE),
    ("resize/100x/", (100, 50), RED, BLUE),
    ("resize/x50/", (100, 50), RED, BLUE),
    ("resize/30x90/", (30, 90), RED, BLUE),
    ("resize/800x/", (800, 400), RED, BLUE),
    ("stretch/off/-/resize/800x/", (400, 200), RED, BLUE),
    ("stretch/fill/-/setfill/0f0/-/resize/800x300/", (800, 300), GREEN, GREEN),
    ("scale_crop/50x50/", (50, 50), RED, RED),
    ("scale_crop/50x50/100p,0p/", (50, 50), BLUE, BLUE),
    ("scale_crop/50x50/center/", (50, 50), RED, BLUE),
    ("scale_crop/50x50/smart/", (50, 50), RED, BLUE),
    ("stretch/off/-/scale_crop/76x76/center/", (76, 76), RED, BLUE),
    ("crop/100x100/", (100, 100), RED, RED),
    ("crop/100x100/center/", (100, 100), RED, BLUE),
    ("crop/50px100p/100p,0/", (200, 200), BLUE, BLUE),
    ("crop/600x200/200,0/", (600, 200), BLUE, WHITE),
    ("setfill/00ff00/-/crop/10x10/900,900/", (10, 10), GREEN, GREEN),
    ("crop/200x200/100,0/-/resize/20x/", (20, 20), RED, BLUE),
]


async def test_operations_do_what_they_say(gateway: "Gateway") -> None:  # U-05
    file_id = await published(gateway, encoded(halves()))
    for operations, size, left, right in RESULTS:
        image = await made(gateway, f"/{file_id}/-/{operations}")
        assert (image.format, image.size) == ("JPEG", size), operations
        assert is_like(colour(image, 10, 50), left) and is_like(colour(image, 95, 50), right), operations


INPUTS = [
    ("image/jpeg", encoded(halves())),
    ("image/jpeg", encoded(halves(mode="CMYK"))),
    ("image/png", encoded(halves(), "PNG")),
    ("image/png", encoded(halves(mode="P"), "PNG")),
    ("image/gif", encoded(halves(), "GIF")),
    ("image/webp", encoded(halves(), "WEBP")),
    ("image/tiff", encoded(halves(), "TIFF")),
    ("image/bmp", encoded(halves(), "BMP")),
    ("image/avif", encoded(halves(), "AVIF")),
    ("image/heic", encoded(halves((384, 192)), "HEIF")),
    (
        "image/tiff",
        tiff([share for x in range(256) for share in ((1, 0, 0) if x < 128 else (0, 0, 1))] * 128, (256, 128), kind="f"),
    ),
    ("image/svg+xml", SVG),
]


async def test_every_format_becomes_every_format(gateway: "Gateway") -> None:
    for number, (content_type, body) in enumerate(INPUTS):
        file_id = await published(gateway, body, content_type)
        for output in ("jpeg", "png", "webp", "avif") if number == 0 else ("png",):
            image = await made(gateway, f"/{file_id}/-/resize/100x/-/format/{output}/")
            assert (image.format, image.size) == (output.upper(), (100, 50)), content_type
            left, right = colour(image, 10, 50), colour(image, 90, 50)
            assert left[0] > 200 and left[2] < 60 and right[2] > 120 and right[0] < 70, content_type  # CMYK has no such blue


async def test_a_photograph_stands_upright_unless_asked_not_to(gateway: "Gateway") -> None:
    for orientation in range(1, 9):
        file_id = await published(gateway, encoded(halves(), orientation=orientation))
        turns = orientation >= 5
        first, last = (RED, BLUE) if orientation in (1, 4, 5, 6) else (BLUE, RED)
        begin, end = ((50, 5), (50, 95)) if turns else ((5, 50), (95, 50))
        for operations in ("preview/100x100/", "crop/100px100p/-/format/png/"):
            image = await made(gateway, f"/{file_id}/-/{operations}")
            assert (image.height > image.width) == turns
            assert is_like(colour(image, *begin), first) and is_like(colour(image, *end), last)
            as_it_is = await made(gateway, f"/{file_id}/-/autorotate/no/-/{operations}")
            assert as_it_is.width > as_it_is.height
            assert is_like(colour(as_it_is, 5, 50), RED)
            assert "exif" not in image.info and "exif" not in as_it_is.info


async def test_the_format_is_the_clients_choice_unless_one_is_asked_for(gateway: "Gateway") -> None:
    plain = await published(gateway, encoded(halves()))
    clear = await published(gateway, encoded(Image.new("RGBA", (40, 20), (255, 0, 0, 100)), "PNG"), "image/png")
    expected = [
        (plain, "preview/", {}, "JPEG"), (plain, "preview/", BROWSER, "WEBP"), (plain, "format/auto/", BROWSER, "WEBP"),
        (clear, "preview/", {}, "PNG"), (clear, "preview/", BROWSER, "WEBP"), (clear, "format/preserve/", BROWSER, "PNG"),
        (plain, "format/preserve/", BROWSER, "JPEG"), (plain, "format/png/", BROWSER, "PNG"),
    ]  # fmt: skip
    for file_id, operations, headers, image_format in expected:
        async with gateway.client.get(f"/{file_id}/-/{operations}", headers=headers) as response:
            assert decoded(await response.read()).format == image_format
            assert response.headers.get("Vary") == ("Accept" if "format" not in operations or "auto" in operations else None)


async def test_transparency_is_kept_or_filled(gateway: "Gateway") -> None:
    file_id = await published(gateway, encoded(Image.new("RGBA", (40, 20), (255, 0, 0, 0)), "PNG"), "image/png")
    assert (await made(gateway, f"/{file_id}/-/resize/20x/-/format/png/")).getpixel((5, 5))[3] == 0  # type: ignore[index]
    assert is_like(colour(await made(gateway, f"/{file_id}/-/format/jpeg/"), 50, 50), WHITE)
    assert is_like(colour(await made(gateway, f"/{file_id}/-/setfill/0f0/-/format/jpeg/"), 50, 50), GREEN)
    framed = await made(gateway, f"/{file_id}/-/setfill/00ff0080/-/crop/80x40/center/-/format/png/")
    assert framed.getpixel((1, 1)) == (0, 255, 0, 128)


async def test_better_quality_takes_more_bytes(gateway: "Gateway") -> None:
    file_id = await published(gateway, encoded(Image.effect_noise((300, 300), 90).convert("RGB")))
    for image_format in ("jpeg", "webp", "avif"):
        sizes = []
        for quality in ("lightest", "lighter", "normal", "better", "best"):
            async with gateway.client.get(f"/{file_id}/-/format/{image_format}/-/quality/{quality}/") as response:
                sizes.append(len(await response.read()))
        assert sizes == sorted(sizes) and len(set(sizes)) == 5, image_format


async def test_a_colour_profile_is_applied_not_dropped(gateway: "Gateway") -> None:
    image = halves((40, 20))
    lab = ImageCms.createProfile("sRGB")
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(lab).tobytes()
    file_id = await published(gateway, encoded(image, "PNG"), "image/png")
    result = await made(gateway, f"/{file_id}/-/resize/20x/-/format/png/")
    assert is_like(colour(result, 5, 50), RED) and "icc_profile" not in result.info


async def test_an_animation_becomes_its_first_frame(gateway: "Gateway") -> None:
    content = io.BytesIO()
    halves().save(content, "GIF", save_all=True, append_images=[Image.new("RGB", (400, 200), GREEN)] * 3)
    file_id = await published(gateway, content.getvalue(), "image/gif")
    image = await made(gateway, f"/{file_id}/-/preview/100x100/")
    assert image.size == (100, 50) and is_like(colour(image, 10, 50), RED)


# ---------------------------------------------------------------- what is refused


async def test_what_is_no_image_is_delivered_but_not_processed(gateway: "Gateway") -> None:
    for body in (b"not an image at all", b"", b"%PDF-1.7", b"<html><svg></svg></html>"):
        file_id = await published(gateway, body, "application/octet-stream")
        status, text = await refused(gateway, f"/{file_id}/-/preview/")
        assert (status, text) == (415, "Only images can be processed, and this file is none.")
        async with gateway.client.get(f"/{file_id}/") as response:
            assert (response.status, await response.read()) == (200, body)


async def test_a_damaged_image_is_refused_clearly(gateway: "Gateway") -> None:
    for image_format in ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "TIFF", "BMP"):
        whole = encoded(Image.effect_noise((320, 320), 90).convert("RGB"), image_format)
        for body in (whole[: len(whole) // 2], whole[:100] + b"\x00" * 200):
            file_id = await published(gateway, body)
            for operations in ("preview/100x100/", "crop/200x200/50,50/"):
                status, text = await refused(gateway, f"/{file_id}/-/{operations}")
                assert (status, text) == (400, DAMAGED), (image_format, operations)


async def test_a_bomb_is_refused_before_it_is_decoded(open_gateway: Callable[..., Awaitable["Gateway"]]) -> None:
    gateway = await open_gateway()
    bombs = [encoded(Image.new("1", (12_000, 10_000)), "PNG"), SVG.replace(b'"400"', b'"20000"').replace(b'"200"', b'"20000"')]
    for bomb in bombs:
        status, text = await refused(gateway, f"/{await published(gateway, bomb)}/-/preview/100x100/")
        assert (status, text) == (400, "The image is too large: at most 100 megapixels are processed.")
    careful = await open_gateway(gateway_image_max_pixels=256 * 128 - 1)
    for content_type, body in INPUTS:
        status, text = await refused(careful, f"/{await published(careful, body)}/-/preview/100x100/")
        assert (status, text) == (400, "The image is too large: at most 0 megapixels are processed."), content_type


async def test_an_svg_reaches_nothing_outside_of_itself(gateway: "Gateway") -> None:
    linked = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="100">
        <image xlink:href="file:///etc/hostname" width="100" height="100"/><rect width="10" height="100" fill="red"/>
        <image href="http://127.0.0.1:1/x.png" width="100" height="100"/></svg>"""
    image = await made(gateway, f"/{await published(gateway, linked)}/-/preview/-/format/png/")
    assert colour(image, 2, 50) == RED and image.getpixel((50, 50)) == (0, 0, 0, 0)
    expanding = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>'
    assert await refused(gateway, f"/{await published(gateway, expanding)}/-/preview/") == (400, DAMAGED)


async def test_an_svg_with_a_doctype_that_names_entities_is_an_image(gateway: "Gateway") -> None:
    doctype = b"""<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
        <!ENTITY ns_flows "http://ns.adobe.com/Flows/1.0/">
    ]>"""
    image = await made(gateway, f"/{await published(gateway, SVG.replace(b'?>', b'?>' + doctype))}/-/preview/800x400/")
    assert image.size == (400, 200) and is_like(colour(image, 5, 50), RED)


async def test_operations_that_there_are_not_are_refused_with_the_reason(gateway: "Gateway") -> None:
    file_id = await published(gateway, encoded(halves()))
    expected = [
        ("", 'There is no operation after "-/".'),
        ("sepia/", 'Unknown operation "sepia".'),
        ("resize/", 'Mandatory argument "one_or_two_dimensions" not found while parsing "resize".'),
        ("resize/0x/", 'Dimensions must be from 1 to 5000 pixels while parsing "resize".'),
        ("resize/%3Cscript%3E/", 'Invalid dimensions "<script>" while parsing "resize".'),
        ("resize/3001x/", "The result can have at most 3000x3000 pixels, 5000x5000 with /format/jpeg/."),
        ("format/gif/", 'Invalid value "gif" of "format_name" while parsing "format".'),
        ("resize/%24%28touch%20x%29x/", 'Invalid dimensions "$(touch x)x" while parsing "resize".'),
    ]
    for operations, reason in expected:
        assert await refused(gateway, f"/{file_id}/-/{operations}") == (400, reason)
    tall = await published(gateway, encoded(halves((2, 4000)), "PNG"), "image/png")
    status, text = await refused(gateway, f"/{tall}/-/resize/3000x/")
    assert status == 400 and text.startswith("The result would have too many pixels")
