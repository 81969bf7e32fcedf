"""`@uploadcare/upload-client` where it runs: in Node, or in a page."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import Page

from tests.e2e.clients.content import MIB, Content
from tests.e2e.clients.project import Project

SCRIPT = Path(__file__).parent / "upload_client_node.mjs"
NODE_SECONDS = 110

Job = dict[str, Any]
Answer = dict[str, Any]
"""See site/upload_client_job.mjs."""


class Runtime(Protocol):
    async def perform(self, job: Job, files: Sequence[Content]) -> Answer: ...


class Node:
    async def perform(self, job: Job, files: Sequence[Content]) -> Answer:
        executable = shutil.which("node")
        assert executable is not None, "the tests need Node: install the packages `nodejs` and `npm`"
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(executable, str(SCRIPT), stdin=pipe, stdout=pipe, stderr=pipe)
        asked = json.dumps(job | {"paths": [str(file.path) for file in files]})
        try:
            out, errors = await asyncio.wait_for(process.communicate(asked.encode()), NODE_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, errors.decode()
        answer: Answer = json.loads(out)
        return answer


@dataclass(frozen=True)
class InPage:
    """At `site/upload_client.html`."""

    page: Page

    async def perform(self, job: Job, files: Sequence[Content]) -> Answer:
        await self.page.set_input_files("input", [file.path for file in files])
        await self.page.wait_for_function("() => window.perform")
        answer: Answer = await self.page.evaluate("job => window.perform(job)", job)
        return answer


@dataclass(frozen=True)
class UploadClient:
    """The client with a project's key and addresses; other settings at will."""

    runtime: Runtime
    project: Project

    async def call(self, method: str, source: Any = None, *, files: Sequence[Content] = (), **options: Any) -> Answer:
        """What the client returned and the progress that it reported; it must not fail."""
        answer = await self._perform(method, source, files, options)
        assert "error" not in answer, answer
        return answer

    async def refused(self, method: str, source: Any = None, *, files: Sequence[Content] = (), **options: Any) -> Answer:
        """The client's error."""
        answer = await self._perform(method, source, files, options)
        assert "error" in answer, answer
        error: Answer = answer["error"]
        return error

    async def _perform(self, method: str, source: Any, files: Sequence[Content], options: dict[str, Any]) -> Answer:
        settings = {
            "publicKey": self.project.public_key,
            "baseURL": self.project.base_url,
            "baseCDN": self.project.base_url,
            "multipartMinFileSize": 10 * MIB,
        }
        return await self.runtime.perform({"settings": settings, "method": method, "input": source, "options": options}, files)
