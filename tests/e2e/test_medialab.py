"""The MediaLab API, all the way, on both forms of the platform."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.client import Answer, Client, until
from tests.servers.source import head, ok, serving

SCRIPT = Path(__file__).parents[1] / "contract" / "dialects" / "medialab_upload.sh"


async def test_a_video_is_uploaded_and_transcoded_unless_that_is_not_wanted(client: Client, video: bytes) -> None:
    # M-04, M-08, M-17, M-22: with each kind of credentials
    private, bearer = f"Private-Token {client.credentials.private_token}", f"Bearer {client.credentials.bearer_token}"
    made = {}
    for token, settings in ((private, {}), (bearer, {"no_transcode": "1"})):
        registered = await _register(client, token, **settings)
        sent = await _send(client, registered["url_upload_direct"], video)
        assert (sent.status, sent.json["status"]) == (200, "success"), sent
        upload = await client.until_terminal(sent.json["file_id"])
        assert (upload["state"], upload["dialect"], upload["file"]["size_bytes"]) == ("READY", "medialab", len(video))
        made[token] = [rendition["kind"] for rendition in upload["renditions"]]

    assert "mp4" in made[private]
    assert made[bearer] == []


async def test_files_under_one_id_are_told_by_the_finish_call(client: Client, image: bytes) -> None:
    # M-10, M-12, M-18, M-19
    token = f"Private-Token {client.credentials.private_token}"
    registered = await _register(client, token, autofinish="0", hide_response="1", max_files="3")
    sent = await asyncio.gather(*(_send(client, registered["url_upload_direct"], image) for _ in range(10)))

    assert sorted(answer.status for answer in sent) == [200] * 3 + [409] * 7
    assert all(answer.json == {"status": "success"} for answer in sent if answer.status == 200)
    finished = await client.request("DELETE", registered["api"]["finish"], headers={"Authorization": token})
    assert (finished.json["status"], len(finished.json["files"])) == ("success", 3)
    for file in finished.json["files"]:
        assert (await client.until_terminal(file["file_id"]))["state"] == "READY"


async def test_a_url_is_fetched(client: Client) -> None:
    # M-05
    token = f"Private-Token {client.credentials.private_token}"
    async with serving("127.0.0.2") as source:
        good = source.sends("/notes/hello.txt", ok(b"hello", "Content-Type: text/plain"))
        file_id = (await _fetch(client, token, good)).json["file_id"]
        lost_id = (await _fetch(client, token, source.sends("/nothing", head("404 Not Found", "Content-Length: 0")))).json[
            "file_id"
        ]
        found, lost = await client.until_terminal(file_id), await client.until_terminal(lost_id)

    assert (found["state"], found["file"]["name"], found["file"]["size_bytes"]) == ("READY", "hello.txt", 5)
    assert (lost["state"], lost["error"]["code"]) == ("REJECTED", "fetch_client_error")


async def test_the_bash_script_works(client: Client, video: bytes, tmp_path: Path) -> None:
    # M-29
    path = tmp_path / "clip.mp4"
    await asyncio.to_thread(path.write_bytes, video)
    arguments = (client.credentials.base_url, client.credentials.private_token, "0", str(path))
    process = await asyncio.create_subprocess_exec("bash", str(SCRIPT), *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()

    assert process.returncode == 0
    [file] = json.loads(out)["files"]
    assert (await client.until_terminal(file["file_id"]))["state"] == "READY"


async def test_the_vendors_curls_work_as_printed(client: Client) -> None:
    # M-23, M-25: folder, host and token are ours; the query of the upload address names the id
    base_url, token = client.credentials.base_url, client.credentials.private_token
    created = await client.request(
        "POST", f"{base_url}/api/folders/0", json={"name": "Seed"}, headers={"Authorization": f"Private-Token {token}"}
    )
    folder = created.json["folder_id"]
    registered = await _curl(
        "-X", "POST", f"{base_url}/upload/id", "-F", f"folder_id={folder}", "-H", f"Authorization: Private-Token {token}"
    )
    query = registered["url_upload_direct"].partition("?")[2]
    uploaded = await _curl(
        "-X", "POST", f"{base_url}/upload/file?{query}", "-F", f"file=@{__file__}", "-F", f"folder_id={folder}",
        "-F", "title=Video.mp4",
    )  # fmt: skip

    assert [(file["title"], file["folder_id"]) for file in uploaded["files"]] == [("Video.mp4", folder)]

    async def listed() -> bool:
        answer = await client.request(
            "GET", f"{base_url}/api/folders/{folder}/contents", headers={"Authorization": f"Private-Token {token}"}
        )
        return [file["file_id"] for file in answer.json["files"]] == [uploaded["file_id"]]

    assert await until(listed)


async def _curl(*arguments: str) -> Any:
    process = await asyncio.create_subprocess_exec("curl", "-sS", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


async def _register(client: Client, token: str, **settings: str) -> Any:
    answer = await client.request(
        "POST", f"{client.credentials.base_url}/api/upload/id", data=settings, headers={"Authorization": token}
    )
    assert answer.status == 200, answer
    return answer.json


async def _send(client: Client, url: str, content: bytes) -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", content, filename="file.bin", content_type="application/octet-stream")
    return await client.request("POST", url, data=form)


async def _fetch(client: Client, token: str, url: str) -> Answer:
    answer = await client.request(
        "POST", f"{client.credentials.base_url}/api/upload/remote", json={"url": url}, headers={"Authorization": token}
    )
    assert answer.status == 200, answer
    return answer
