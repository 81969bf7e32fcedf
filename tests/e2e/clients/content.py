"""Files to upload, and the proof that one came back as it was."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.e2e.client import until

MIB = 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A file on disk."""

    path: Path
    mime_type: str
    """What clients guess from the name."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def make_content(path: Path, size: int, mime_type: str) -> Content:
    """`size` bytes without any repetition; the same ones for the same name."""
    source = random.Random(path.name)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - start)))
    return Content(path, mime_type)


async def assert_comes_back(url: str, content: Content) -> None:
    """As soon as the file is served."""
    async with aiohttp.ClientSession(auto_decompress=False, headers={"Accept-Encoding": "identity"}) as http:

        async def found() -> bool:
            async with http.head(url) as answer:
                assert answer.status in (200, 404), (answer.status, url)
                return answer.status == 200

        await until(found)
        assert await _digest(http, url) == (content.size, _file_digest(content.path)), url


async def _digest(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    async with http.get(url) as answer:
        assert answer.status == 200, url
        async for chunk in answer.content.iter_chunked(MIB):
            size += len(chunk)
            digest.update(chunk)
    return size, digest.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
