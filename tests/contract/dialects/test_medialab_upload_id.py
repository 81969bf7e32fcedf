"""`/api/upload/id` of the MediaLab API: registering and finishing upload ids, on both stores."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiohttp import FormData

from services.gateway.jobs import ForgetBatches
from tests.contract.dialects.conftest import BASE_URL, Gateway, add_tenant
from tests.contract.dialects.medialab import File, MediaLab, is_uuid, medialab_of

LIFETIME = timedelta(days=1)


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


def form(**fields: str) -> FormData:
    made = FormData(default_to_multipart=True)
    for name, value in fields.items():
        made.add_field(name, value)
    return made


async def test_an_upload_id_says_where_its_files_go(api: MediaLab) -> None:
    # M-08, M-09, M-20, 5.4.6
    now = datetime.now(UTC)
    body = await api.ok("POST", "/api/upload/id", data=form(folder_id="0"))

    assert set(body) == {"ulid", "expires", "expires_in", "url_upload_direct", "api"}
    assert set(body["api"]) == {"rel", "upload", "finish"}
    assert type(body["expires"]) is int and type(body["expires_in"]) is int
    assert all(isinstance(text, str) for text in (body["ulid"], body["url_upload_direct"], *body["api"].values()))
    assert abs(datetime.fromtimestamp(body["expires"], UTC) - now - LIFETIME) < timedelta(minutes=1)
    assert 86390 <= body["expires_in"] <= 86400
    direct = urlsplit(body["url_upload_direct"])
    assert f"{direct.scheme}://{direct.netloc}" == BASE_URL  # M-26: always absolute, from the configuration
    assert direct.path.endswith(f"/api/file/{body['ulid']}")
    assert parse_qs(direct.query).keys() == {"ulid", "expires", "signature"}
    assert body["api"]["finish"] == f"{BASE_URL}/api/upload/id/{body['ulid']}"
    assert is_uuid(body["ulid"])


@pytest.mark.parametrize("path", ["/api/upload/id", "/upload/id"])
async def test_each_way_to_write_the_request_is_taken(api: MediaLab, path: str) -> None:
    # M-21, M-23: bash sends form data, PHP form_params, JavaScript JSON (part 2.1)
    urlencoded = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    for options in (
        {"data": form(folder_id="0", max_files="1", autofinish="0")},
        {"data": BytesIO(b"folder_id=0&max_files=1&autofinish=0"), **urlencoded},
        {"json": {"folder_id": 0, "max_files": 1, "autofinish": False}},
        {"json": {"folder_id": "0", "max_files": "1", "autofinish": "0"}},
    ):
        registered = await api.ok("POST", path, **options)
        await api.upload(registered["url_upload_direct"])

        again = await api.send(registered["url_upload_direct"], File())

        await api.refused(again, 409, "max_files_exceeded")


async def test_nothing_at_all_is_an_upload_id_without_limits(api: MediaLab) -> None:
    # M-08
    assert is_uuid((await api.ok("POST", "/api/upload/id"))["ulid"])
    assert is_uuid((await api.ok("POST", "/api/upload/id", json={"folder_id": None, "max_size": "", "surprise": 1}))["ulid"])


@pytest.mark.parametrize(
    "settings",
    [
        {"max_files": 0}, {"max_files": -1}, {"max_files": "many"}, {"max_filesize": 1.5}, {"max_size": 2**63},
        {"max_size": []}, {"autofinish": "perhaps"}, {"no_transcode": 2}, {"hide_response": {}}, {"folder_id": "a"},
        {"folder_id": -1}, {"file_extensions": {}}, {"file_extensions": ["a/b"]}, {"file_extensions": [1]},
        {"file_extensions": [f"e{number}" for number in range(201)]}, {"access_token": 5},
    ],
    ids=str,
)  # fmt: skip
async def test_a_setting_that_says_nothing_is_refused_by_name(api: MediaLab, settings: dict[str, Any]) -> None:
    [name] = settings

    assert name in await api.refused(await api.call("POST", "/api/upload/id", json=settings), 400, "invalid_request")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"max_files": NaN}', b"\xff", b'{"folder_id": "\\u0000"}'])
async def test_a_malformed_json_body_is_refused(api: MediaLab, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    await api.refused(await api.call("POST", "/api/upload/id", data=body, headers=headers), 400, "malformed_body")


async def test_other_bodies_are_refused(api: MediaLab) -> None:
    response = await api.call("POST", "/api/upload/id", data=b"<a/>", headers={"Content-Type": "text/xml"})
    await api.refused(response, 415, "unsupported_media_type")
    response = await api.call("POST", "/api/upload/id", json={"x": "y" * 70_000})
    await api.refused(response, 413, "body_too_large")
    response = await api.call(
        "POST", "/api/upload/id", data=b"a=\0", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    await api.refused(response, 400, "nul_character")


async def test_an_unknown_folder_is_refused(api: MediaLab) -> None:
    await api.refused(await api.call("POST", "/api/upload/id", json={"folder_id": 10**15}), 404, "folder_not_found")


@pytest.mark.parametrize("how", ["path", "alias", "query", "query alias", "form", "json"])
async def test_an_upload_id_is_finished_in_each_way(api: MediaLab, how: str) -> None:
    # M-12, 5.1.7
    registered = await api.register(autofinish=False)
    ulid = registered["ulid"]
    file_id = (await api.upload(registered["url_upload_direct"]))["file_id"]
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "path": (f"/api/upload/id/{ulid}", {}),
        "alias": (f"/upload/id/{ulid}", {}),
        "query": (f"/api/upload/id?ulid={ulid}", {}),
        "query alias": (f"/upload/id?ulid={ulid}", {}),
        "form": ("/api/upload/id", {"data": form(ulid=ulid)}),
        "json": ("/api/upload/id", {"json": {"ulid": ulid}}),
    }
    path, options = ways[how]

    first, second = [await api.ok("DELETE", path, **options) for _ in range(2)]

    assert first == second
    assert first == {"status": "success", "files": [{"file_id": file_id, "title": "hello.txt", "folder_id": 0, "size": 5}]}
    await api.refused(await api.send(registered["url_upload_direct"], File()), 409, "upload_id_finished")
    assert len(await api.registered()) == 1
    assert len(await api.staged()) == 1


async def test_finishing_needs_credentials_of_the_same_tenant(api: MediaLab) -> None:
    # M-12
    ulid = (await api.register())["ulid"]
    await api.refused(await api.call("DELETE", f"/api/upload/id/{ulid}", token=None), 401, "invalid_token")
    _tenant, keys = await add_tenant(api.gateway.service)
    foreign = f"Private-Token {keys['admin']}"
    await api.refused(await api.call("DELETE", f"/api/upload/id/{ulid}", token=foreign), 404, "upload_id_not_found")
    for unknown in (str(uuid4()), "x", "%C3%A9", ulid.upper().replace("-", "")):
        response = await api.call("DELETE", f"/api/upload/id/{unknown}")
        await api.refused(response, 404, "upload_id_not_found")
    await api.refused(await api.call("DELETE", "/api/upload/id"), 404, "upload_id_not_found")


async def test_an_upload_id_that_finishes_itself_need_not_be_finished(api: MediaLab) -> None:
    # M-12, M-19: the default
    registered = await api.register()
    file_id = (await api.upload(registered["url_upload_direct"]))["file_id"]

    await api.refused(await api.send(registered["url_upload_direct"], File()), 409, "upload_id_finished")

    assert [file["file_id"] for file in (await api.finish(registered["ulid"]))["files"]] == [file_id]


@pytest.mark.composed
async def test_an_expired_upload_id_takes_nothing_and_tells_its_files(api: MediaLab) -> None:
    registered = await api.register(autofinish=False)
    await api.upload(registered["url_upload_direct"])
    api.gateway.clock.offset = LIFETIME

    await api.refused(await api.send(registered["url_upload_direct"], File()), 410, "upload_id_expired")
    response = await api.send(f"/api/file/{registered['ulid']}", File(), token="")
    await api.refused(response, 410, "upload_id_expired")
    assert len((await api.finish(registered["ulid"]))["files"]) == 1
    assert len(await api.staged()) == 1


@pytest.mark.composed
async def test_an_upload_id_that_ended_long_ago_is_forgotten_and_its_files_stay(api: MediaLab) -> None:
    old, new = await api.register(autofinish=False), await api.register()
    await api.upload(old["url_upload_direct"])
    await api.gateway.sql("UPDATE batches SET expires_at = now() - interval '31 days' WHERE id = $1", UUID(old["ulid"]))

    assert not await ForgetBatches(api.gateway.service.outbox, api.gateway.clock, age=timedelta(days=30)).once()

    await api.refused(await api.call("DELETE", f"/api/upload/id/{old['ulid']}"), 404, "upload_id_not_found")
    assert (await api.finish(new["ulid"]))["files"] == []
    assert len(await api.staged()) == 1


async def test_a_file_that_is_gone_is_not_told(api: MediaLab) -> None:
    registered = await api.register()
    file_id = (await api.upload(registered["url_upload_direct"]))["file_id"]
    await api.gateway.complete(file_id, size_bytes=5, content_type="text/plain")
    await api.gateway.remove(file_id)

    assert (await api.finish(registered["ulid"]))["files"] == []


async def test_a_blocked_tenant_gets_no_upload_id(api: MediaLab) -> None:
    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", api.gateway.tenant.id)

    await api.refused(await api.call("POST", "/api/upload/id"), 403, "storage_blocked")


async def test_an_upload_id_takes_nothing_while_its_tenant_is_blocked(api: MediaLab) -> None:
    # M-28: its URL needs no other credentials, and lives for a day
    registered = await api.register(autofinish=0)
    url = registered["url_upload_direct"]
    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", api.gateway.tenant.id)

    await api.refused(await api.send(url, File()), 403, "storage_blocked")
    assert (await api.finish(registered["ulid"]))["files"] == []

    await api.gateway.sql("UPDATE tenants SET storage_blocked_at = NULL WHERE id = $1", api.gateway.tenant.id)
    registered = await api.register()
    await api.upload(registered["url_upload_direct"])


@pytest.mark.parametrize("path", ["/api/upload/id", "/upload/id", "/api/upload/id/x", "/api/upload/remote", "/api/folders/0"])
async def test_other_methods_are_refused(api: MediaLab, path: str) -> None:
    response = await api.call("PUT", path)

    await api.refused(response, 405, "method_not_allowed")
    assert "OPTIONS" in response.headers["Allow"]
