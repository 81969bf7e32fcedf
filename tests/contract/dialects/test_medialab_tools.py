"""The vendor's published tools, by what part 2.1 says of them: bash, JavaScript in a web page, and PHP. On both stores."""

import asyncio
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest_asyncio
from aiohttp import ClientSession, FormData
from aiohttp.test_utils import unused_port
from yarl import URL

from tests.contract.dialects.medialab import MediaLab, medialab_of

SCRIPT = Path(__file__).with_name("medialab_upload.sh")


@pytest_asyncio.fixture
async def api(make_gateway: Callable[..., Any]) -> MediaLab:
    """One that is reached by the addresses that it tells."""
    port = unused_port()
    return medialab_of(await make_gateway(base_url=f"http://127.0.0.1:{port}", port=port))


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        "bash", str(SCRIPT), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def base_url(api: MediaLab) -> str:
    return str(api.gateway.http.make_url("/")).rstrip("/")


async def test_the_bash_script_uploads_a_file(api: MediaLab, tmp_path: Path) -> None:
    # M-04, M-29
    folder = (await api.ok("POST", "/api/folders/0", json={"name": "NAS"}))["folder_id"]
    path = tmp_path / "My Vidéo (take 2).mp4"
    path.write_bytes(bytes(range(256)) * 10_000)

    code, out, err = await run(base_url(api), api.token, str(folder), str(path))

    assert (code, err) == (0, "")
    [event] = await api.registered()
    told = {"file_id": str(event.upload_id), "title": path.name, "folder_id": folder, "size": 2_560_000}
    assert json.loads(out) == {"status": "success", "files": [told]}
    assert await api.bytes_of(event.staging_key) == path.read_bytes()
    assert event.file_name == path.name


async def test_the_bash_script_says_what_is_wrong(api: MediaLab, tmp_path: Path) -> None:
    # M-29: it reads `error` and `error_description`
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")

    assert (await run(base_url(api), "wrong", "0", str(path)))[::2] == (1, "invalid_token: Missing or invalid token\n")
    code, _out, err = await run(base_url(api), api.token, "123456789", str(path))
    assert (code, err) == (1, "folder_not_found: There is no such folder\n")


async def test_the_javascript_flow_uploads_from_a_web_page(api: MediaLab) -> None:
    # M-28: its server registers with JSON and finishes; the page sends to the signed URL with the name as title
    headers = {"Authorization": f"Bearer {api.access_token()}", "Content-Type": "application/json"}
    settings = {"folder_id": 0, "hide_response": True, "autofinish": False, "file_extensions": ["txt"], "max_files": 2}
    async with ClientSession() as server, ClientSession(headers={"Origin": "https://www.customer.example"}) as page:
        async with server.post(f"{base_url(api)}/api/upload/id", data=json.dumps(settings), headers=headers) as response:
            registered = await response.json()
        target = URL(registered["url_upload_direct"], encoded=True)
        for name in ("a.txt", "b.txt"):
            async with page.options(target, headers={"Access-Control-Request-Method": "POST"}) as response:
                assert response.status == 204
            form = FormData()
            form.add_field("file", BytesIO(name.encode()), filename=name, content_type="text/plain")
            form.add_field("title", name)
            async with page.post(target, data=form) as response:
                assert (response.status, await response.json()) == (200, {"status": "success"})
        form = FormData()
        form.add_field("file", BytesIO(b"x"), filename="c.exe")
        async with page.post(target, data=form) as response:
            assert (await response.json())["user_message"] == "There are too many files in this upload."
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        async with server.delete(registered["api"]["finish"], headers=headers) as response:
            finished = await response.json()

    assert finished["status"] == "success"
    assert [file["title"] for file in finished["files"]] == ["a.txt", "b.txt"]
    assert {file["file_id"] for file in finished["files"]} == {str(event.upload_id) for event in await api.registered()}


async def test_the_php_flow_uploads_into_folders(api: MediaLab) -> None:
    # M-10, M-11, M-21: form_params, and `&folder_id=` behind the upload URL
    headers = {"Authorization": f"Bearer {api.access_token()}"}
    async with ClientSession(headers=headers) as server:

        async def post(path: str, **form_params: object) -> Any:
            body = urlencode(form_params).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            async with server.post(f"{base_url(api)}{path}", data=body, headers=kind) as response:
                return await response.json()

        folders = [(await post("/api/folders/0", name=name))["folder_id"] for name in ("first", "second")]
        registered = await post("/api/upload/id", folder_id=0, autofinish=0, max_files=2)
        async with ClientSession() as anyone:
            for folder in folders:
                form = FormData()
                form.add_field("file", BytesIO(b"content"), filename="clip.mp4", content_type="video/mp4")
                target = URL(f"{registered['url_upload_direct']}&folder_id={folder}", encoded=True)
                async with anyone.post(target, data=form) as response:
                    assert (await response.json())["status"] == "success"
        async with server.delete(f"{base_url(api)}/api/upload/id/{registered['ulid']}") as response:
            finished = await response.json()
        found = []
        for folder in folders:
            async with server.get(f"{base_url(api)}/api/folders/{folder}/contents") as response:
                found.append((await response.json())["files"])

    assert [file["folder_id"] for file in finished["files"]] == folders
    assert [[file] for file in finished["files"]] == found
