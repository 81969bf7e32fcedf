"""Upload24: the commands of the published text, run by curl with another host, other secrets and our account ids."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import VIDEO, Upload24

CREATE_A_KEY = """\
curl -X POST "$BASE_URL/api-keys/generate" \\
  -H "Authorization: Bearer $JWT" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "CI uploads"
  }'
"""
STATUS = """\
curl -X GET "$BASE_URL/api/upload/$UPLOAD_ID/status" \\
  -H "X-Api-Key: $API_KEY"
"""
FORM = """\
curl -X POST "$BASE_URL/api/upload" \\
  -H "X-Api-Key: $API_KEY" \\
  -F "title=Spring launch teaser" \\
  -F "accounts=account_123" \\
  -F "accounts=account_456" \\
  -F "scheduledOn=2026-04-18T09:30:00Z" \\
  -F "file=@./video.mp4"
"""
PRESIGN = """\
curl -X POST "$BASE_URL/api/upload/presign-put" \\
  -H "X-Api-Key: $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "title": "Spring launch teaser",
    "accounts": ["account_123"],
    "fileName": "video.mp4",
    "fileSize": 734003200,
    "contentType": "video/mp4"
  }'
"""
PUT = """\
curl -X PUT "$UPLOAD_URL" \\
  -H "Content-Type: video/mp4" \\
  --data-binary @./video.mp4
"""
COMPLETE = """\
curl -X POST "$BASE_URL/api/upload/complete" \\
  -H "X-Api-Key: $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "sessionToken": "$SESSION_TOKEN",
    "parts": []
  }'
"""

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the text's examples are curl commands")


class Shell:
    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.api = Upload24(gateway)
        self._folder = folder
        self._names = dict(zip(("account_123", "account_456"), gateway.accounts, strict=True))
        self.variables = {
            "BASE_URL": str(gateway.http.make_url("/")).rstrip("/"),
            "JWT": gateway.token(),
            "API_KEY": gateway.keys["render"],
        }
        (folder / "video.mp4").write_bytes(VIDEO)

    async def run(self, command: str, *changes: tuple[str, str]) -> Any:
        """Its answer; in a single-quoted body the placeholder is filled in, as a reader of the text does by hand."""
        for old, new in (*self._names.items(), ("$SESSION_TOKEN", self.variables.get("SESSION_TOKEN", "")), *changes):
            command = command.replace(old, new)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command.replace("curl ", "curl --silent --show-error --fail-with-body "), cwd=self._folder,
            env={**os.environ, **self.variables}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        assert process.returncode == 0, (output, errors)
        return json.loads(output) if output else None


@pytest.fixture
def shell(gateway: Gateway, tmp_path: Path) -> Shell:
    folder = tmp_path / "client"
    folder.mkdir()
    return Shell(gateway, folder)


async def test_a_key_is_created_and_uploads_a_form(shell: Shell) -> None:
    # T-03, T-06, T-07, T-12, T-25
    shell.variables["API_KEY"] = (await shell.run(CREATE_A_KEY))["apiKey"]
    made = await shell.run(FORM)
    shell.variables["UPLOAD_ID"] = made["uploadId"]
    status = await shell.run(STATUS)
    assert [account["accountId"] for account in status["accounts"]] == shell.api.gateway.accounts
    assert await shell.api.bytes_of((await shell.api.registered()).staging_key) == VIDEO


async def test_the_session_of_the_text_is_opened_as_printed(shell: Shell) -> None:
    # T-26
    session = await shell.run(PRESIGN)
    assert {"sessionToken", "fileId", "uploadUrl"} <= session.keys()
    assert (await shell.api.registered()).constraints.size_bytes == 734003200


async def test_a_put_and_its_completion(shell: Shell) -> None:
    # T-08, T-26, T-27, T-28
    session = await shell.run(PRESIGN, ("734003200", str(len(VIDEO))))
    shell.variables["UPLOAD_URL"] = shell.api.gateway.here(session["uploadUrl"])
    shell.variables["SESSION_TOKEN"] = session["sessionToken"]
    await shell.run(PUT)
    done = await shell.run(COMPLETE)
    shell.variables["UPLOAD_ID"] = done["uploadId"]
    assert (await shell.run(STATUS))["status"] == "Processing"
