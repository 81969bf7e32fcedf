"""The image editor of the `<uc-file-uploader-inline>` web component, operated as a person would."""

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from PIL import ExifTags, Image, ImageOps
from playwright.async_api import Browser, Page, Response

from tests.e2e.clients.content import Content
from tests.e2e.clients.project import Project
from tests.e2e.clients.test_file_uploader import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORED: Final = (160, 120)
"""The size of the photograph as it lies in the file; it stands upright at 120x160."""
GREYS: Final = (20, 90, 160, 230)
MILLISECONDS: Final = 60_000

FRAME: Final = "uc-crop-frame mask rect[fill=black]"
HAS_PROPORTIONS: Final = """([selector, proportion]) => {
  const frame = document.querySelector(selector)
  const [width, height] = ['width', 'height'].map((name) => Number(frame?.getAttribute(name)))
  return width > 0 && Math.abs(width / height - proportion) < 0.05
}"""
IS_CROPPED: Final = "document.querySelector('uc-cloud-image-editor').$['*editorTransformations'].crop !== undefined"


@pytest.fixture(scope="module")
def photograph(files_dir: Path) -> Content:
    """Four quarters in four shades of grey, taken with a camera that was turned."""
    image = Image.new("RGB", STORED)
    width, height = STORED[0] // 2, STORED[1] // 2
    for number, grey in enumerate(GREYS):
        image.paste((grey, grey, grey), (width * (number % 2), height * (number // 2), *STORED))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(files_dir / "photograph.jpg", quality=95, exif=exif)
    return Content(files_dir / "photograph.jpg", "image/jpeg")


@dataclass(frozen=True)
class Editor:
    """Opened for one file, and showing it."""

    page: Page

    async def choose(self, name: str, operation: str) -> None:
        """Clicks on what is called so, and waits for the picture that shows it."""
        await self._shown(operation, lambda: self.page.get_by_label(name).click())

    async def open_tab(self, name: str, operation: str) -> None:
        await self._shown(operation, lambda: self.page.get_by_role("tab", name=name).click())

    async def crop(self, proportion: float, kept: float) -> None:
        """Drags the lower right corner of the frame so that `kept` of each edge stays; the image has this proportion."""
        await self.page.wait_for_function(HAS_PROPORTIONS, arg=[FRAME, proportion], timeout=MILLISECONDS)
        box = await self.page.locator(FRAME).bounding_box()
        assert box is not None
        await self.page.mouse.move(box["x"] + box["width"] + 4, box["y"] + box["height"] + 4)
        await self.page.mouse.down()
        await self.page.mouse.move(box["x"] + box["width"] * kept + 4, box["y"] + box["height"] * kept + 4, steps=4)
        await self.page.mouse.up()
        await self.page.wait_for_function(IS_CROPPED, timeout=MILLISECONDS)

    async def apply(self) -> str:
        """The address of the edited image."""
        await self.page.get_by_role("button", name="Apply", exact=True).last.click()
        event = await self.page.wait_for_function("window.events['file-url-changed']", timeout=MILLISECONDS)
        changed: dict[str, Any] = await event.json_value()
        return str(changed["cdnUrl"])

    async def _shown(self, operation: str, act: Callable[[], Awaitable[None]]) -> None:
        def has_it(response: Response) -> bool:
            return f"/-/{operation}/" in response.url

        async with self.page.expect_response(has_it, timeout=MILLISECONDS) as answered:
            await act()
        answer = await answered.value
        assert answer.status == 200, answer.url


async def test_an_image_is_edited(browser: Browser, site: str, project: Project, photograph: Content) -> None:
    # U-05
    async with Site(browser, site).uploader(project) as uploader:
        await uploader.choose([photograph])
        [entry] = await uploader.uploaded()
        async with (
            uploader.page.expect_response("**/-/json/", timeout=MILLISECONDS) as told,
            uploader.page.expect_response("**/-/resize/**/@clib/**", timeout=MILLISECONDS) as shown,
        ):
            await uploader.page.get_by_role("button", name="Edit").first.click()
        facts = await (await told.value).json()
        assert (facts["id"], facts["width"], facts["height"], facts["format"]) == (entry["uuid"], 120, 160, "JPEG")
        assert (await shown.value).status == 200

        editor = Editor(uploader.page)
        await editor.choose("Apply rotate operation", "rotate/90")
        await editor.choose("Apply mirror operation", "mirror/-/rotate/90")
        await editor.choose("Apply flip operation", "mirror/-/flip/-/rotate/90")
        await editor.crop(160 / 120, kept=0.75)
        await editor.open_tab("Filters", "filter/adaris/100")
        await editor.choose("adaris", "filter/adaris/100/-/mirror/-/flip/-/rotate/90")
        address = await editor.apply()

    assert address.startswith(project.served_at(entry["uuid"]))
    assert "/-/filter/adaris/100/-/mirror/-/flip/-/rotate/90/-/crop/" in address
    edited = await opened(address)
    assert edited.size == pytest.approx((120, 90), abs=2)
    assert ranks(edited) == ranks(turned(photograph))


async def opened(url: str) -> Image.Image:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return Image.open(io.BytesIO(await answer.read()))


def turned(photograph: Content) -> Image.Image:
    """Upright, mirrored, flipped, and turned counter-clockwise."""
    upright = ImageOps.exif_transpose(Image.open(photograph.path))
    return ImageOps.flip(ImageOps.mirror(upright)).transpose(Image.Transpose.ROTATE_90)


def ranks(image: Image.Image) -> list[int]:
    """Which of its corners is the darkest, and so on: a filter changes the shades, not their order."""
    grey = image.convert("L")
    right, bottom = grey.width - 4, grey.height - 4
    shades = [grey.crop((x, y, x + 1, y + 1)).tobytes() for x, y in ((3, 3), (right, 3), (3, bottom), (right, bottom))]
    return [sorted(shades).index(shade) for shade in shades]
