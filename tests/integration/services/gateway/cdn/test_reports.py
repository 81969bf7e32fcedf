"""Facts instead of an image, and how answers are delivered, at Uploadcare's CDN addresses (U-05)."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from contracts.events import GeoLocation, ImageInfo
from contracts.ids import UploadId
from services.gateway.files import soon
from tests.integration.services.gateway.cdn.conftest import Open
from tests.integration.services.gateway.cdn.picture import SVG, encoded, halves
from tests.integration.services.gateway.cdn.test_delivery import Counted, counted, keys
from tests.integration.services.gateway.cdn.test_images import BROWSER, refused

if TYPE_CHECKING:
    from tests.integration.services.gateway.faces.conftest import Gateway

__all__ = ["counted"]

PHOTO = encoded(halves(), orientation=6)
TURNED = ImageInfo(
    format="jpeg", width=400, height=200, orientation=6, color_mode="RGB", dpi=(72.4, 72), sequence=False,
    datetime_original="2018-09-13T16:23:40", geo_location=GeoLocation(latitude=55.5, longitude=37.25),
)  # fmt: skip
FACTS = {
    "format": "JPEG", "width": 200, "height": 400, "orientation": 6, "color_mode": "RGB", "dpi": [72, 72], "sequence": False,
    "datetime_original": "2018-09-13T16:23:40", "geo_location": {"latitude": 55.5, "longitude": 37.25},
}  # fmt: skip


async def inspected(gateway: "Gateway", body: bytes, image: ImageInfo | None, content_type: str = "image/jpeg") -> UploadId:
    tenant = await gateway.tenant(uuid4().hex)
    new = await gateway.register(tenant, "uploadcare", content_type=content_type, name="a.bin")
    await gateway.completed(new, body)
    await gateway.ready(new, content_type, image=image)
    return new.id


async def told(gateway: "Gateway", path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    async with gateway.client.get(path, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "application/json"), await response.text()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        facts: dict[str, Any] = await response.json()
        return facts


async def test_facts_of_a_file_are_told_at_once(gateway: "Gateway", counted: Counted) -> None:
    file_id = await inspected(gateway, PHOTO, TURNED)

    for operations in ("json/", "json", "json/facts.json", "@clib/blocks/1.33.2/uc-img/-/json/", "json/-/resize/9x/"):
        assert await told(gateway, f"/{file_id}/-/{operations}") == {"id": str(file_id), **FACTS}
    assert counted.times == 0
    async with gateway.client.head(f"/{file_id}/-/json/") as response:
        assert (response.status, response.content_type) == (200, "application/json")


async def test_facts_of_a_result_are_told_where_they_are_asked_for(gateway: "Gateway", counted: Counted) -> None:
    file_id = await inspected(gateway, PHOTO, TURNED)
    original = {"id": str(file_id), **FACTS}
    expected: list[tuple[str, dict[str, Any]]] = [
        ("resize/100x", {"width": 100, "height": 200, "format": "JPEG", "color_mode": "RGB", "orientation": None}),
        ("rotate/90", {"width": 400, "height": 200, "orientation": None}),
        ("autorotate/no", {"width": 400, "height": 200, "orientation": 6}),
        ("border_radius/5", {"width": 200, "height": 400, "format": "PNG", "color_mode": "RGBA"}),
        ("format/webp", {"format": "WEBP"}),
    ]
    for operations, facts in expected:
        found = await told(gateway, f"/{file_id}/-/{operations}/-/json/-/crop/1x1/")
        assert found["id"] == f"/{file_id}/-/{operations}/"
        assert found["original"] == original
        assert {name: found[name] for name in facts} == facts
    assert (await told(gateway, f"/{file_id}/-/resize/100x/-/json/", BROWSER))["format"] == "WEBP"
    assert counted.times == len(expected) + 1
    await told(gateway, f"/{file_id}/-/resize/100x/-/json/")
    assert counted.times == len(expected) + 1


async def test_main_colours_are_told_beside_the_facts(gateway: "Gateway") -> None:
    file_id = await inspected(gateway, encoded(halves(), "PNG"), ImageInfo(format="png", width=400, height=200))

    found = await told(gateway, f"/{file_id}/-/main_colors/2/")
    assert await told(gateway, f"/{file_id}/-/@clib/blocks/1.33.2/uc-img/-/main_colors/2/") == found
    of_a_part = await told(gateway, f"/{file_id}/-/crop/100x100/-/main_colors/")

    assert sorted(found["main_colors"]) == [[0, 0, 255], [255, 0, 0]]
    assert (found["id"], found["width"], found["format"]) == (str(file_id), 400, "PNG")
    assert (of_a_part["main_colors"], of_a_part["width"], of_a_part["original"]["width"]) == ([[255, 0, 0]], 100, 400)


async def test_what_the_inspection_made_nothing_of_is_measured(gateway: "Gateway") -> None:
    file_id = await inspected(gateway, SVG, None, "image/svg+xml")

    found = await told(gateway, f"/{file_id}/-/json/")

    assert (found["id"], found["width"], found["height"], found["orientation"]) == (str(file_id), 400, 200, None)
    text = await inspected(gateway, b"not an image at all", None, "text/plain")
    for operations in ("json/", "main_colors/", "resize/5x/-/json/"):
        status, reason = await refused(gateway, f"/{text}/-/{operations}")
        assert (status, reason) == (415, "Only images can be processed, and this file is none.")


@pytest.mark.parametrize("store", ["s3"], indirect=True)
async def test_facts_that_had_to_make_room_elsewhere_are_measured_again(open_gateway: Open) -> None:
    gateway = await open_gateway(gateway_redirect_seconds=60)  # holds no bytes in memory
    file_id = await inspected(gateway, PHOTO, TURNED)
    path = f"/{file_id}/-/rotate/90/-/json/"

    facts = await told(gateway, path)
    await gateway.store.delete(await keys(gateway.store, f"files/{file_id}/derived/"))

    assert await told(gateway, path) == facts
    assert len(await keys(gateway.store, f"files/{file_id}/derived/")) == 1


async def test_facts_wait_for_the_inspection(gateway: "Gateway", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soon, "PAUSES", (0,))
    new = await gateway.register(await gateway.tenant(uuid4().hex), "uploadcare", content_type="image/jpeg")
    await gateway.completed(new, PHOTO)

    async with gateway.client.get(f"/{new.id}/-/json/") as response:
        assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
    await gateway.ready(new, image=TURNED)
    assert (await told(gateway, f"/{new.id}/-/json/"))["width"] == 200


# ---------------------------------------------------------------- what is no part of the result


async def test_which_component_asks_makes_no_other_result(gateway: "Gateway", counted: Counted) -> None:
    file_id = await inspected(gateway, PHOTO, TURNED)
    component = "@clib/blocks/1.33.2/uc-cloud-image-editor/"

    for operations in ("resize/9x/", f"resize/9x/-/{component}", f"{component}-/resize/9x/", "resize/9x/-/inline/yes/"):
        async with gateway.client.get(f"/{file_id}/-/{operations}") as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
    assert counted.times == len(await keys(gateway.store, f"files/{file_id}/derived/")) == 1


async def test_an_answer_is_shown_or_saved_as_it_is_wished(gateway: "Gateway") -> None:
    photo = await inspected(gateway, PHOTO, TURNED)
    text, page = [await inspected(gateway, b"<p>", None, kind) for kind in ("text/plain", "text/html")]
    expected = [
        (photo, "inline/no/", "attachment"), (photo, "inline/yes/", "inline"), (photo, "inline/no/-/resize/9x/", "attachment"),
        (text, "inline/yes/", "inline"), (text, "inline/no/", "attachment"), (page, "inline/yes/", "attachment"),
        (text, "@clib/blocks/1.33.2/uc-img/", "attachment"),
    ]  # fmt: skip
    for file_id, operations, disposition in expected:
        async with gateway.client.get(f"/{file_id}/-/{operations}") as response:
            assert response.status == 200, operations
            assert response.headers["Content-Disposition"].partition(";")[0] == disposition, operations
            if "resize" not in operations:
                assert await response.read() == (PHOTO if file_id == photo else b"<p>")
