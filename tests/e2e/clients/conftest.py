"""Everything of the clients' tests runs on one event loop: the browser and the web site outlive single tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e import media
from tests.e2e.clients import chromium, origin
from tests.e2e.clients.content import MIB, Content, make_content
from tests.e2e.clients.project import Project, create_project, first_project
from tests.e2e.platform import Platform


@pytest.fixture(scope="session")
def files_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the web site serves below `/files/`."""
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="session")
def document(files_dir: Path) -> Content:
    """Small, with a name that needs care in every kind of request."""
    return make_content(files_dir / "été 1 & 2 (50%).pdf", 70_000, "application/pdf")


@pytest.fixture(scope="session")
def picture(files_dir: Path) -> Content:
    return Content(media.make_image(files_dir / "picture.png"), "image/png")


@pytest.fixture(scope="session")
def archive(files_dir: Path) -> Content:
    """Just big enough for a multipart upload; the last of its parts is a small one."""
    return make_content(files_dir / "archive.zip", 11 * MIB, "application/zip")


@pytest.fixture(scope="session")
def recording(files_dir: Path) -> Content:
    """More than 100 MB, not a multiple of anything."""
    return make_content(files_dir / "recording.wav", 100 * MIB + 12_345, "audio/x-wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(files_dir: Path) -> AsyncIterator[str]:
    """The address of a web site on an origin of its own."""
    async with origin.serving(files_dir) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium.launched() as launched:
        yield launched


@pytest.fixture
def project(shared_platform: Platform) -> Project:
    """Requires no signatures."""
    return first_project(shared_platform.credentials)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def signed_project(shared_platform: Platform) -> Project:
    """Refuses uploads without a signature."""
    return await create_project(shared_platform.credentials, name="signed", signed_uploads=True)


@pytest_asyncio.fixture(loop_scope="session")
async def throttled_project(shared_platform: Platform) -> Project:
    """Takes one request a second."""
    limit = {"requests": 1, "per_seconds": 1}
    return await create_project(shared_platform.credentials, name="throttled", rate_limit=limit)
