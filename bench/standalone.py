"""A whole standalone in a process of its own, with a receiver of its webhooks that checks every signature."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from deploy.demo import longshore, receiving
from deploy.demo_client import Demo


@asynccontextmanager
async def standalone() -> AsyncIterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        arrivals: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        secret: list[str] = []
        async with (
            receiving(arrivals, secret) as callback_url,
            longshore(Path(folder)) as credentials,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
        ):
            secret.append(credentials["webhook_secret"])
            yield Demo(http, credentials, callback_url, arrivals)


def process() -> psutil.Process:
    """The standalone that this process has started."""
    return next(child for child in psutil.Process().children() if "deploy.standalone" in child.cmdline())


def data_folder() -> Path:
    """Where the standalone that this process has started keeps everything."""
    return Path(process().environ()["LONGSHORE_DATA_DIR"])
