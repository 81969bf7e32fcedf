"""The `<uc-file-uploader-inline>` web component in a page of another origin, operated as a person would."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.clients.chromium import page_at
from tests.e2e.clients.content import MIB, Content, assert_comes_back
from tests.e2e.clients.project import Project

pytestmark = pytest.mark.asyncio(loop_scope="session")

UPLOAD_SECONDS: Final = 100
FAILED: Final = "common-upload-failed"
HEARD: Final = "names => names.some(name => name in window.events) && JSON.parse(JSON.stringify(window.events))"


@dataclass(frozen=True)
class Uploader:
    """The component on its page, set up for one project."""

    page: Page

    async def choose(self, contents: Sequence[Content]) -> None:
        async with self.page.expect_file_chooser() as choosing:
            await self.page.get_by_role("button", name="From device").click()
        await (await choosing.value).set_files([content.path for content in contents])

    async def paste_link(self, url: str) -> None:
        await self.page.get_by_role("button", name="From link").click()
        await self.page.get_by_placeholder("https://").fill(url)
        await self.page.get_by_role("button", name="Import", exact=True).click()

    async def event(self, name: str) -> dict[str, Any]:
        """The detail of the event of this name, as soon as the page has heard of it; nothing else may have failed before."""
        heard = await self.page.wait_for_function(HEARD, arg=[name, FAILED], timeout=UPLOAD_SECONDS * 1000)
        events: dict[str, Any] = await heard.json_value()
        assert name in events, [entry["errors"] for entry in events[FAILED]["failedEntries"]]
        detail: dict[str, Any] = events[name]
        return detail

    async def uploaded(self) -> list[dict[str, Any]]:
        """The finished files, as the page is told and a person sees."""
        state = await self.event("common-upload-success")
        assert state["failedCount"] == 0, state
        await expect(self.page.get_by_text("uploaded")).to_be_visible()
        entries: list[dict[str, Any]] = state["allEntries"]
        return entries


@dataclass(frozen=True)
class Site:
    """Opens pages with the component."""

    browser: Browser
    url: str

    @asynccontextmanager
    async def uploader(self, project: Project, **attributes: str) -> AsyncIterator[Uploader]:
        """`attributes` of `<uc-config>`, with underscores for dashes."""
        config = {
            "pubkey": project.public_key,
            "base-url": project.base_url,
            "cdn-cname": project.base_url,
            "source-list": "local, url",
            "quality-insights": "false",
        } | {name.replace("_", "-"): value for name, value in attributes.items()}
        async with page_at(self.browser, f"{self.url}/site/file_uploader.html?{urlencode(config)}") as page:
            yield Uploader(page)


@pytest.fixture
def pages(browser: Browser, site: str) -> Site:
    return Site(browser, site)


async def test_direct_uploads_of_several_files(pages: Site, project: Project, document: Content, picture: Content) -> None:
    # U-06, U-13, U-32
    async with pages.uploader(project) as uploader:
        await uploader.choose([document, picture])
        entries = await uploader.uploaded()

    assert [(entry["name"], entry["size"]) for entry in entries] == [(one.name, one.size) for one in (document, picture)]
    assert [entry["isImage"] for entry in entries] == [False, True]
    assert [entry["mimeType"] for entry in entries] == [document.mime_type, picture.mime_type]
    for entry, content in zip(entries, (document, picture), strict=True):
        assert entry["cdnUrl"].startswith(project.served_at(entry["uuid"]))
        await assert_comes_back(project.served_at(entry["uuid"]), content)


async def test_a_picture_is_shown_from_the_platform(pages: Site, project: Project, picture: Content) -> None:
    # U-05
    async with pages.uploader(project) as uploader:
        async with uploader.page.expect_response("**/-/scale_crop/**", timeout=UPLOAD_SECONDS * 1000) as thumbnail:
            await uploader.choose([picture])
        answer = await thumbnail.value
        [entry] = await uploader.uploaded()

        assert answer.url.startswith(project.served_at(entry["uuid"]))
        assert (answer.status, (await answer.all_headers())["content-type"].partition("/")[0]) == (200, "image")


@pytest.mark.parametrize("large", ["archive", "recording"])
async def test_a_multipart_upload(pages: Site, project: Project, large: str, request: pytest.FixtureRequest) -> None:
    # U-14, U-15, U-21, U-22
    content: Content = request.getfixturevalue(large)
    async with pages.uploader(project, multipart_min_file_size=str(10 * MIB)) as uploader:
        await uploader.choose([content])
        [entry] = await uploader.uploaded()

    assert (entry["name"], entry["size"], entry["uploadProgress"]) == (content.name, content.size, 100)
    await assert_comes_back(project.served_at(entry["uuid"]), content)


async def test_an_upload_from_a_url(pages: Site, project: Project, site: str, archive: Content) -> None:
    # U-24, U-31
    async with pages.uploader(project) as uploader:
        await uploader.paste_link(f"{site}/moved/{archive.name}")
        [entry] = await uploader.uploaded()

    assert (entry["name"], entry["size"]) == (archive.name, archive.size)
    await assert_comes_back(project.served_at(entry["uuid"]), archive)


async def test_a_group(pages: Site, project: Project, document: Content, picture: Content) -> None:
    # U-33, U-36
    async with pages.uploader(project, group_output="true") as uploader:
        await uploader.choose([document, picture])
        group = (await uploader.event("group-created"))["group"]

    assert group["uuid"].endswith("~2")
    for number, content in enumerate((document, picture)):
        await assert_comes_back(project.served_at(f"{group['uuid']}/nth/{number}"), content)


async def test_signed_uploads(pages: Site, signed_project: Project, site: str, document: Content, archive: Content) -> None:
    # U-12, U-19, U-29
    signature = signed_project.signature()
    signed = {"secure_signature": signature["secureSignature"], "secure_expire": signature["secureExpire"]}
    multipart = {"multipart_min_file_size": str(10 * MIB)}
    async with pages.uploader(signed_project, group_output="true", **signed, **multipart) as uploader:
        await uploader.choose([document, archive])
        group = (await uploader.event("group-created"))["group"]
    async with pages.uploader(signed_project, **signed) as uploader:
        await uploader.paste_link(f"{site}/files/{archive.name}")
        [fetched] = await uploader.uploaded()

    await assert_comes_back(signed_project.served_at(f"{group['uuid']}/nth/0"), document)
    await assert_comes_back(signed_project.served_at(f"{group['uuid']}/nth/1"), archive)
    await assert_comes_back(signed_project.served_at(fetched["uuid"]), archive)


async def test_a_refusal_is_shown(pages: Site, signed_project: Project, document: Content) -> None:
    # U-E28
    async with pages.uploader(signed_project) as uploader:
        await uploader.choose([document])
        state = await uploader.event(FAILED)
        [entry] = state["failedEntries"]

        assert [error["message"] for error in entry["errors"]] == ["`signature` is required."]
        await expect(uploader.page.get_by_text("`signature` is required.")).to_be_visible()
