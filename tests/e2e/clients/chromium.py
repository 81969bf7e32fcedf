"""The distribution's Chromium without a window, cut off from everything but this machine."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright

# Requests are not intercepted: Playwright then answers CORS preflights itself, and nothing would be proven of ours.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium")
    assert executable is not None, "the tests need Chromium: install the package `chromium`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, chromium_sandbox=False, args=[OFFLINE, "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page_at(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A page with nothing of another one's cookies or cache."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(url)
        yield page
    finally:
        await context.close()
