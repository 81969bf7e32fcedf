"""The Upload24 API, all the way to the accounts' folders, on both forms of the platform."""

import asyncio
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.client import Client, until
from tests.e2e.platform import Platform

MIB = 2**20
ENDS = ("Uploaded", "Failed")


async def test_a_form_is_published_to_two_accounts(client: Client, shared_platform: Platform, video: bytes) -> None:
    # T-01, T-06, T-07, T-12, T-19, T-23, T-25, T-29
    before = [await _quota(client, account) for account in client.credentials.accounts]
    key = await _key(client)
    form = aiohttp.FormData([("title", "Spring launch teaser"), *(("accounts", a) for a in client.credentials.accounts)])
    form.add_field("file", video, filename="video.mp4", content_type="video/mp4")
    made = await client.request("POST", client.credentials.base_url + "/api/upload", data=form, headers=key)
    assert made.status == 201, made

    status = await _until_ended(client, key, made.json["uploadId"])

    assert status["status"] == "Uploaded"
    assert [account["platform"] for account in status["accounts"]] == ["directory", "directory"]
    for account in status["accounts"]:
        [path] = await asyncio.to_thread(_published, shared_platform, Path(account["externalId"]).name)
        assert await asyncio.to_thread(path.read_bytes) == video
    after = [await _quota(client, account) for account in client.credentials.accounts]
    assert after == [used + 1 for used in before]


async def test_a_scheduled_upload_waits_for_its_time(client: Client, video: bytes) -> None:
    # T-08, T-10, T-18, T-21, T-22, T-26, T-27, T-28
    at = datetime.now(UTC) + timedelta(seconds=8)
    key = await _key(client)
    session = await _session(client, key, "presign-put", len(video), scheduledOn=at.isoformat())
    sent = await client.request("PUT", session["uploadUrl"], data=video, headers={"Content-Type": "video/mp4"})
    assert sent.status == 200, sent
    upload_id = await _complete(client, key, session, [])
    first = await _status(client, key, upload_id)
    assert (first["status"] == "Scheduled") or datetime.now(UTC) >= at

    status = await _until_ended(client, key, upload_id)

    assert status["status"] == "Uploaded"
    assert datetime.now(UTC) >= at


async def test_parts_of_an_interrupted_upload_are_not_sent_again(client: Client, shared_platform: Platform) -> None:
    # T-09, T-10, T-30
    parts = [bytes([number]) * 5 * MIB for number in (1, 2)] + [b"end"]
    key = await _key(client)
    session = await _session(client, key, "multipart", sum(map(len, parts)), partSize=5 * MIB)
    await client.request("PUT", session["parts"][1]["url"], data=BytesIO(parts[1]))

    resumed = await client.request(
        "POST", client.credentials.base_url + "/api/upload/multipart/resume", json={"sessionToken": session["sessionToken"]},
        headers=key,
    )  # fmt: skip
    assert [part["partNumber"] for part in resumed.json["uploadedParts"]] == [2]
    done = [{"partNumber": 2, "eTag": resumed.json["uploadedParts"][0]["eTag"]}]
    for part in resumed.json["parts"]:
        sent = await client.request("PUT", part["url"], data=BytesIO(parts[part["partNumber"] - 1]))
        done.append({"PartNumber": part["partNumber"], "ETag": sent.headers["ETag"]})
    status = await _until_ended(client, key, await _complete(client, key, session, done))

    assert status["status"] == "Uploaded"
    [path] = await asyncio.to_thread(_published, shared_platform, Path(status["accounts"][0]["externalId"]).name)
    assert await asyncio.to_thread(path.read_bytes) == b"".join(parts)
    listed = await client.request("GET", client.credentials.base_url + "/uploads", headers=_bearer(client))
    assert status["uploadId"] in [upload["uploadId"] for upload in listed.json["uploads"]]


async def test_an_aborted_session_is_over(client: Client, video: bytes) -> None:
    # T-11
    key = await _key(client)
    session = await _session(client, key, "presign-put", len(video))
    await client.request("PUT", session["uploadUrl"], data=video, headers={"Content-Type": "video/mp4"})
    body = {"sessionToken": session["sessionToken"]}
    aborted = await client.request("POST", client.credentials.base_url + "/api/upload/abort", json=body, headers=key)
    assert (aborted.status, aborted.json) == (200, {"aborted": True})
    upload = await client.until_terminal(session["fileId"])
    assert upload["state"] in ("ABORTED", "DELETED")


def _bearer(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.credentials.bearer_token}"}


async def _key(client: Client) -> dict[str, str]:
    made = await client.request("POST", client.credentials.base_url + "/api-keys/generate", headers=_bearer(client))
    assert made.status == 201, made
    return {"X-Api-Key": made.json["apiKey"]}


async def _session(client: Client, key: dict[str, str], route: str, size: int, **more: Any) -> dict[str, Any]:
    body = {
        "title": "Spring launch teaser", "accounts": client.credentials.accounts[:1], "fileName": "video.mp4",
        "fileSize": size, "contentType": "video/mp4", **more,
    }  # fmt: skip
    answer = await client.request("POST", f"{client.credentials.base_url}/api/upload/{route}", json=body, headers=key)
    assert answer.status == 200, answer
    session: dict[str, Any] = answer.json
    return session


async def _complete(client: Client, key: dict[str, str], session: dict[str, Any], parts: list[dict[str, Any]]) -> str:
    body = {"sessionToken": session["sessionToken"], "parts": parts}
    answer = await client.request("POST", client.credentials.base_url + "/api/upload/complete", json=body, headers=key)
    assert answer.status == 200, answer
    return str(answer.json["uploadId"])


async def _status(client: Client, key: dict[str, str], upload_id: str) -> dict[str, Any]:
    answer = await client.request("GET", f"{client.credentials.base_url}/api/upload/{upload_id}/status", headers=key)
    assert answer.status == 200, answer
    status: dict[str, Any] = answer.json
    return status


async def _until_ended(client: Client, key: dict[str, str], upload_id: str) -> dict[str, Any]:
    async def ended() -> dict[str, Any] | None:
        status = await _status(client, key, upload_id)
        return status if status["status"] in ENDS else None

    status: dict[str, Any] = await until(ended)
    return status


async def _quota(client: Client, account: str) -> int:
    answer = await client.call("GET", f"/platform/v1/accounts/{account}")
    assert answer.json["quota_reserved"] >= 0
    return int(answer.json["quota_used"])


def _published(platform: Platform, name: str) -> list[Path]:
    return list((platform.data_dir / "published").rglob(name))
