"""Upload24: every rule of the text, through each way in."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from contracts.events import Stage, UploadRegistered, UploadRejected
from services.gateway.dialects.upload24 import form
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.upload24 import MIB, VIDEO, Upload24, refused

SESSIONS = ("presign-put", "multipart")
GB2 = 2 * 2**30
YOUTUBE = {"categoryId": "22", "defaultLanguage": "en", "defaultAudioLanguage": "en-US"}


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def refused_everywhere(api: Upload24, status: int, code: str, **changes: Any) -> None:
    """By both kinds of session and by the form (with the fields that a form has); nothing is registered or stored."""
    for route in SESSIONS:
        response = await api.send("POST", f"/api/upload/{route}", json=api.body(**changes))
        await refused(response, status, code)
    if not {"fileSize", "contentType", "fileName"} & changes.keys():
        await refused(await api.form(form_fields(api, changes)), status, code)
    assert await api.gateway.emitted(UploadRegistered) == []


def form_fields(api: Upload24, changes: dict[str, Any]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for name, value in api.body(**changes).items():
        if name in ("fileSize", "contentType", "fileName"):
            continue
        values = value if isinstance(value, list) else [value if isinstance(value, str) else orjson.dumps(value).decode()]
        fields += [(name, item) for item in values]
    return fields


async def accepted_everywhere(api: Upload24, **changes: Any) -> None:
    for route in SESSIONS:
        await api.post(f"/api/upload/{route}", api.body(**changes))
    if not {"fileSize", "contentType", "fileName"} & changes.keys():
        response = await api.form(form_fields(api, changes))
        assert response.status == 201, await response.text()


async def test_an_empty_file_is_refused(api: Upload24) -> None:
    # T-14
    await refused_everywhere(api, 400, "file_empty", fileSize=0)
    await refused_everywhere(api, 400, "file_empty", fileSize=-1)
    await refused(await api.form(api.fields(), b""), 400, "file_empty")
    assert await api.staged() == []


async def test_what_the_file_really_has_counts_too(api: Upload24) -> None:
    # T-14, T-15, 5.4.13
    for declared, actual in ((len(VIDEO), b""), (len(VIDEO), VIDEO + b"x")):
        session = await api.presign(fileSize=declared)
        status, _etag = await api.put(session["uploadUrl"], actual)
        assert status >= 400
        await refused_completion(api, session, 409, "file_missing")
    event = await api.registered()
    limits = event.constraints
    assert (limits.size_bytes, limits.min_size_bytes, limits.max_size_bytes) == (len(VIDEO), 1, GB2)


async def refused_completion(api: Upload24, session: dict[str, Any], status: int, code: str) -> dict[str, Any]:
    body = {"sessionToken": session["sessionToken"], "parts": []}
    return await refused(await api.send("POST", "/api/upload/complete", json=body), status, code)


async def test_a_file_that_was_rejected_cannot_be_completed_and_its_units_are_free(api: Upload24) -> None:
    # T-14, T-15
    session = await api.presign()
    about = api.gateway.about(session["fileId"])
    await api.gateway.handle(UploadRejected(**about, version=Stage.CLOSED, code="too_small", message="At least 1 byte."))

    error = await refused_completion(api, session, 422, "file_rejected")

    assert error["details"] == {"reason": "too_small"}
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)


async def test_two_gigabytes_are_taken_and_one_byte_more_is_not(api: Upload24) -> None:
    # T-15, 5.4.1
    await accepted_everywhere(api, fileSize=GB2)
    await accepted_everywhere(api, fileSize=1)
    for size in (GB2 + 1, 2**63, 10**30):
        for route in SESSIONS:
            response = await api.send("POST", f"/api/upload/{route}", json=api.body(fileSize=size))
            assert response.status in (400, 413)
            if size == GB2 + 1:
                await refused(response, 413, "file_too_large")


async def test_a_form_that_is_too_large_is_refused_before_it_is_read(api: Upload24, monkeypatch: pytest.MonkeyPatch) -> None:
    # T-15, 5.4.24
    monkeypatch.setattr(form, "LIMITS", replace(form.LIMITS, drain_seconds=0.1))
    headers = {"Content-Length": str(GB2 + 2 * MIB), "Content-Type": "multipart/form-data; boundary=x"}
    url = api.gateway.http.make_url("/")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [f"{name}: {value}" for name, value in {**headers, "X-Api-Key": api.gateway.keys["render"]}.items()]
    writer.write("\r\n".join(["POST /api/upload HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert b'"code":"file_too_large"' in answer


async def test_a_smaller_limit_of_the_installation_counts(make_gateway: Callable[..., Any]) -> None:
    api = Upload24(await make_gateway(gateway_max_upload_bytes=1000))
    for route in SESSIONS:
        response = await api.send("POST", f"/api/upload/{route}", json=api.body(fileSize=1001))
        await refused(response, 413, "file_too_large")
    await refused(await api.form(api.fields(), b"x" * 1001), 413, "file_too_large")
    assert await api.staged() == []


async def test_at_least_one_account_is_needed(api: Upload24) -> None:
    # T-16
    await refused_everywhere(api, 400, "accounts_required", accounts=[])
    await refused_everywhere(api, 400, "accounts_required", accounts=None)


async def test_accounts_must_be_linked_to_the_tenant(api: Upload24) -> None:
    # T-05, T-16
    unknown = "account_" + "0" * 32
    for name in (unknown, "account_123", "x", api.gateway.accounts[0].upper()):
        await refused_everywhere(api, 400, "account_not_linked", accounts=[api.gateway.accounts[0], name])
    response = await api.send("POST", "/api/upload/presign-put", json=api.body(accounts=[unknown, api.gateway.accounts[0]]))
    assert (await refused(response, 400, "account_not_linked"))["details"] == {"accounts": [unknown]}
    assert await api.quota(api.gateway.accounts[0]) == (0, 0)
    assert await api.staged() == []


async def test_an_unlinked_account_takes_no_more_uploads(api: Upload24) -> None:
    # T-05
    await api.gateway.call("DELETE", f"/platform/v1/accounts/{api.gateway.accounts[1]}")

    await refused_everywhere(api, 400, "account_not_linked", accounts=api.gateway.accounts)


async def test_an_account_that_is_named_twice_counts_once(api: Upload24) -> None:
    # T-19
    first = api.gateway.accounts[0]
    await api.presign(accounts=[first, first])
    assert await api.quota(first) == (0, 1)


async def test_the_title_is_required(api: Upload24) -> None:
    # T-17
    for title in (None, "", "   "):
        await refused_everywhere(api, 400, "title_required", title=title)
    for route in SESSIONS:
        values: list[Any] = [5, True, ["x"], {}]
        for value in values:
            await refused(await api.send("POST", f"/api/upload/{route}", json=api.body(title=value)), 400, "invalid_request")


async def test_the_title_has_at_most_2200_code_points(api: Upload24) -> None:
    # T-17, 5.4.18
    await accepted_everywhere(api, title="x" * 2200)
    await accepted_everywhere(api, title="🎬" * 2200)
    assert (await api.requested())[-1].title == "🎬" * 2200


async def test_a_longer_title_is_refused(api: Upload24) -> None:
    # T-17, 5.4.18
    for title in ("x" * 2201, "🎬" * 2201, "e\u0301" * 1101):
        await refused_everywhere(api, 400, "title_too_long", title=title)


async def test_a_time_within_a_year_is_taken(api: Upload24) -> None:
    # T-18, T-25, 5.4.19
    at = (datetime.now(UTC) + timedelta(days=365, hours=23)).replace(microsecond=0)
    for text in (at.isoformat(), at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.astimezone().isoformat(timespec="milliseconds")):
        response = await api.form(api.fields(scheduledOn=text))
        assert (await response.json())["status"] == "Scheduled"
        assert (await api.requested())[-1].due_at == at


async def test_a_time_that_has_passed_means_at_once(api: Upload24) -> None:
    # T-18, 5.4.19
    response = await api.form(api.fields(scheduledOn="2026-04-18T09:30:00Z"))
    assert (await response.json())["status"] == "Processing"
    assert (await api.requested())[-1].due_at is None


async def test_a_time_beyond_a_year_is_refused(api: Upload24) -> None:
    # T-18
    late = (datetime.now(UTC) + timedelta(days=366, minutes=5)).isoformat()
    for text in (late, "9999-12-31T23:59:59Z"):
        await refused_everywhere(api, 400, "scheduled_on_too_late", scheduledOn=text)


async def test_a_time_without_its_zone_is_no_time(api: Upload24) -> None:
    # T-25
    for text in ("2026-04-18T09:30:00", "2026-04-18", "tomorrow", "1776504600", "9999-12-31T23:59:59-12:00", "🎬"):
        await refused_everywhere(api, 400, "scheduled_on_invalid", scheduledOn=text)


async def test_the_metadata_of_youtube_have_three_fields_at_least(api: Upload24) -> None:
    # T-20
    for missing in YOUTUBE:
        rest = {name: value for name, value in YOUTUBE.items() if name != missing}
        await refused_everywhere(api, 400, "youtube_metadata_incomplete", youtube=rest)
        await refused_everywhere(api, 400, "youtube_metadata_incomplete", youtube={**rest, missing: ""})
    await refused_everywhere(api, 400, "youtube_metadata_incomplete", youtube={})


async def test_complete_metadata_of_youtube_go_with_the_publication(api: Upload24) -> None:
    # T-20
    more = {**YOUTUBE, "description": "About spring", "tags": ["spring", "launch"], "privacyStatus": "unlisted"}
    await accepted_everywhere(api, youtube=more)
    event = (await api.requested())[-1]
    assert event.youtube == more
    assert (event.description, event.tags) == ("About spring", ("spring", "launch"))


async def test_metadata_of_youtube_that_are_none_are_refused(api: Upload24) -> None:
    # T-20
    for wrong in ("text", ["x"], {**YOUTUBE, "surprise": 1}, {**YOUTUBE, "tags": "x"}, {**YOUTUBE, "privacyStatus": "secret"}):
        await refused_everywhere(api, 400, "invalid_request", youtube=wrong)
    for text in ("{", "NaN", '{"categoryId": "\\u0000"}', '{"a": "\\ud800"}', "[" * 3000, "9" * 5000):
        response = await api.form([*api.fields(), ("youtube", text)])
        assert response.status == 400, await response.text()


async def test_the_other_fields_of_a_session_are_judged(api: Upload24) -> None:
    wrong: list[dict[str, Any]] = [
        {"fileName": None}, {"fileName": ""}, {"fileName": "x" * 256}, {"fileSize": None}, {"fileSize": "5"}, {"fileSize": 1.5},
        {"fileSize": True}, {"contentType": None}, {"contentType": ""}, {"accounts": "account_123"}, {"accounts": [5]},
        {"accounts": [""]}, {"accounts": ["x" * 101]}, {"scheduledOn": 5}, {"surprise": 1},
    ]  # fmt: skip
    for changes in wrong:
        for route in SESSIONS:
            response = await api.send("POST", f"/api/upload/{route}", json=api.body(**changes))
            assert response.status == 400, changes
    for content_type in ("video", "video/", "a/b\r\nX: y", "/"):
        await refused_everywhere(api, 400, "content_type_invalid", contentType=content_type)
    for size in (0, 1, 5 * MIB - 1):
        response = await api.send("POST", "/api/upload/multipart", json=api.body(partSize=size))
        await refused(response, 400, "invalid_request")
    await refused_everywhere(api, 400, "too_many_accounts", accounts=[f"account_{n:032x}" for n in range(101)])


async def test_a_blocked_tenant_uploads_nothing(api: Upload24) -> None:
    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", api.gateway.tenant.id)
    await refused_everywhere(api, 403, "storage_blocked")
    await refused(await api.send("POST", "/api/upload/presign-put", json=api.body(), auth="bearer"), 403, "storage_blocked")


async def test_a_name_with_folders_keeps_its_last_part(api: Upload24) -> None:
    for given, kept in (
        ("../../etc/passwd", "passwd"),
        ("C:\\videos\\clip.mp4", "clip.mp4"),
        ("a/", "file"),
        ("🎬.mp4", "🎬.mp4"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066\u2069", "file"),
        ("日" * 200 + ".mp4", "日" * 83 + ".mp4"),
    ):
        await api.presign(fileName=given)
        assert (await api.registered()).file_name == kept
