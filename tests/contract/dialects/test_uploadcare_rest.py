"""Uploadcare's REST API v0.7: files, metadata and groups after an upload, and who may ask. Part 2.4 of the acceptance table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from yarl import URL

from contracts.events import (
    FileDeleteRequested,
    FileExpired,
    FileRetentionChanged,
    Stage,
    UploadAbortRequested,
    UploadRegistered,
)
from services.gateway.domain.project import ProjectStatus, RateLimit
from services.gateway.store import ProjectUploadStore
from tests.contract.dialects.conftest import BASE_URL, Gateway
from tests.contract.dialects.proxy import PostgresProxy
from tests.contract.dialects.uploadcare_project import ACCEPT, ProjectKeys, add_project, sign


@pytest_asyncio.fixture
async def keys(gateway: Gateway) -> ProjectKeys:
    return await add_project(gateway)


# ---------------------------------------------------------------- who may ask


def http_date(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


def pyuploadcare_date(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y, %H:%M:%S GMT")


@pytest.mark.parametrize("write", [http_date, pyuploadcare_date])
@pytest.mark.parametrize("header", ["Date", "X-Uploadcare-Date"])
async def test_a_signed_request_is_answered(keys: ProjectKeys, write: Callable[[datetime], str], header: str) -> None:
    upload_id = await keys.file()
    date, uri, body = write(datetime.now(UTC)), f"/files/{upload_id}/metadata/a:b/", b'"value"'
    signature = sign(keys.secret_key, "PUT", body, "application/json", date, uri)
    headers = {
        "Accept": ACCEPT, "Content-Type": "application/json", header: date,
        "Authorization": f"Uploadcare {keys.project.public_key}:{signature}",
    }  # fmt: skip

    response = await keys.gateway.http.put(uri, data=body, headers=headers)

    assert response.status == 201, await response.text()


async def test_the_query_is_signed_as_it_was_sent(keys: ProjectKeys) -> None:
    date, uri = http_date(datetime.now(UTC)), "/files/?limit=1&from=2020-01-01T00%3A00%3A00%2B00%3A00"
    signature = sign(keys.secret_key, "GET", b"", "application/json", date, uri)
    headers = {"Content-Type": "application/json", "Date": date}

    headers |= {"Accept": ACCEPT, "Authorization": f"Uploadcare {keys.project.public_key}:{signature}"}

    response = await keys.gateway.http.get(URL(uri, encoded=True), headers=headers)

    assert response.status == 200, await response.text()


@pytest.mark.parametrize("changed", ["method", "body", "content_type", "date", "uri", "secret"])
async def test_whatever_is_changed_after_signing_is_refused(keys: ProjectKeys, changed: str) -> None:
    now = datetime.now(UTC)
    uri, date = "/webhooks/unsubscribe/", http_date(now)
    signed: dict[str, Any] = {
        "secret": keys.secret_key, "method": "DELETE", "body": b"", "content_type": "application/json",
        "date": date, "uri": uri,
    }  # fmt: skip
    other = {
        "secret": "other", "method": "GET", "body": b"x", "content_type": "text/plain",
        "date": http_date(now - timedelta(seconds=5)), "uri": "/webhooks/?a=1",
    }  # fmt: skip
    signed[changed] = other[changed]
    headers = {"Content-Type": "application/json", "Date": date}
    headers["Authorization"] = f"Uploadcare {keys.project.public_key}:{sign(**signed)}"

    assert await keys.refused(401, "DELETE", "/webhooks/unsubscribe/", headers=headers) == (
        "Invalid signature. Please check your Secret key."
    )


@pytest.mark.parametrize("minutes", [-16, 16, None])
async def test_an_old_or_future_or_missing_date_is_refused(keys: ProjectKeys, minutes: int | None) -> None:
    date = "" if minutes is None else http_date(datetime.now(UTC) + timedelta(minutes=minutes))
    signature = sign(keys.secret_key, "GET", b"", "", date, "/project/")
    headers = {"Date": date} if date else {}
    headers["Authorization"] = f"Uploadcare {keys.project.public_key}:{signature}"

    assert "Date" in await keys.refused(401, "GET", "/project/", headers=headers)


async def test_credentials_that_are_none_are_refused(keys: ProjectKeys) -> None:
    public_key, secret_key = keys.project.public_key, keys.secret_key
    wrong = (
        "", "nonsense", f"Bearer {public_key}:{secret_key}", f"Uploadcare.Simple {public_key}", "Uploadcare.Simple :",
        f"Uploadcare.Simple {public_key}:", f"Uploadcare.Simple {public_key}:{secret_key}x", "Uploadcare.Simple schlüssel:ü",
        f"Uploadcare.Simple x:{secret_key}", f"Uploadcare {public_key}:{secret_key}", "Uploadcare.Simple " + "x" * 5000,
    )  # fmt: skip
    for header in wrong:
        response = await keys.call("GET", "/project/", headers={"Authorization": header})

        assert response.status == 401, header
        assert response.headers["WWW-Authenticate"] == "Uploadcare"
        assert secret_key not in await response.text()


async def test_another_version_of_the_api_is_not_acceptable(keys: ProjectKeys) -> None:
    for accept in ("*/*", "application/json", "application/vnd.uploadcare-v0.5+json"):
        await keys.refused(406, "GET", "/project/", headers={"Accept": accept})


@pytest.mark.parametrize("status", [status for status in ProjectStatus if status is not ProjectStatus.ACTIVE])
async def test_a_project_that_is_not_active_is_refused(keys: ProjectKeys, status: ProjectStatus) -> None:  # U-39
    await keys.change(status=status)

    await keys.refused(403, "GET", "/files/")


async def test_a_throttled_project_is_told_when_to_come_back(keys: ProjectKeys) -> None:  # U-41
    await keys.change(rate_limit=RateLimit(1, 1000))
    await keys.json("GET", "/project/")

    response = await keys.call("GET", "/project/")

    assert response.status == 429
    assert 900 < int(response.headers["Retry-After"]) <= 1000


async def test_wrong_methods_and_addresses_have_the_apis_shape(keys: ProjectKeys) -> None:
    for path in ("/files/", f"/files/{uuid4()}/", "/files/storage/", "/groups/", "/webhooks/", "/project/"):
        assert await keys.refused(405, "PATCH", path) == 'Method "PATCH" not allowed.'
    for path in (
        "/files/nonsense/",
        f"/files/{uuid4()}/",
        "/groups/x/",
        f"/groups/{uuid4()}~1/",
        f"/files/{uuid4()}/metadata/",
    ):
        assert await keys.refused(404, "GET", path) == "Not found."


async def test_the_slash_at_the_end_may_be_missing(keys: ProjectKeys) -> None:  # 5.1.4
    upload_id = await keys.file()

    for path in ("/files", f"/files/{upload_id}", "/groups", "/webhooks", "/project", f"/files/{upload_id}/metadata"):
        assert await keys.json("GET", path) == await keys.json("GET", f"{path}/")
    assert (await keys.json("PUT", "/files/storage", json=[str(upload_id)]))["problems"] == {}


async def test_a_bug_tells_nothing(keys: ProjectKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(ProjectUploadStore, "find", broken)

    assert await keys.refused(500, "GET", f"/files/{uuid4()}/") == "Internal server error."


async def test_without_a_database_the_client_is_told_to_come_back(database_dsn: str, make_gateway: Callable[..., Any]) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    keys = await add_project(await make_gateway(postgres_dsn=proxy.dsn))
    await proxy.cut()

    response = await keys.call("GET", "/files/")

    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert set(await response.json(content_type=None)) == {"detail"}


async def test_the_project_is_shown(keys: ProjectKeys) -> None:
    assert await keys.json("GET", "/project/") == {
        "name": "Test",
        "pub_key": keys.project.public_key,
        "autostore_enabled": True,
        "collaborators": [],
    }


# ---------------------------------------------------------------- one file


async def test_a_file_is_shown_as_published(keys: ProjectKeys) -> None:
    upload_id = await keys.file("Zoë 2-1.jpg", metadata={"pet_name": "Zoë"})

    shown = await keys.json("GET", f"/files/{upload_id}/")

    assert shown == {
        "uuid": str(upload_id),
        "url": f"{BASE_URL}/files/{upload_id}/",
        "size": 1000,
        "mime_type": "image/jpeg",
        "is_image": True,
        "is_ready": True,
        "original_filename": "Zoë 2-1.jpg",
        "original_file_url": f"{BASE_URL}/{upload_id}/Zo21.jpg",
        "datetime_uploaded": shown["datetime_uploaded"],
        "datetime_stored": None,
        "datetime_removed": None,
        "content_info": {
            "mime": {"mime": "image/jpeg", "type": "image", "subtype": "jpeg"},
            "image": {
                "format": "JPEG", "width": 640, "height": 480, "color_mode": "RGB", "orientation": None, "dpi": [72, 72],
                "sequence": False, "geo_location": None, "datetime_original": None,
            },
            "video": None,
        },
        "metadata": {"pet_name": "Zoë"},
        "variations": None,
    }  # fmt: skip
    assert shown["datetime_uploaded"].endswith("Z")


async def test_a_file_that_was_just_uploaded_is_there_but_not_ready(keys: ProjectKeys) -> None:
    shown = await keys.json("GET", f"/files/{await keys.register()}/?include=appdata")

    assert (shown["is_ready"], shown["content_info"], shown["size"]) == (False, None, 1000)


async def test_a_stored_file_is_kept_for_good(keys: ProjectKeys) -> None:  # U-03
    upload_id = await keys.file()

    first = await keys.json("PUT", f"/files/{upload_id}/storage/")
    second = await keys.json("PUT", f"/files/{upload_id}/storage/")

    assert first["datetime_stored"] is not None
    assert second == first == await keys.json("GET", f"/files/{upload_id}/")
    [changed] = await keys.gateway.emitted(FileRetentionChanged)
    assert (changed.upload_id, changed.revision, changed.file_expires_at) == (upload_id, 1, None)


async def test_a_file_may_be_stored_while_its_bytes_are_still_looked_at(keys: ProjectKeys) -> None:
    upload_id = await keys.register()

    await keys.json("PUT", f"/files/{upload_id}/storage/")
    await keys.gateway.complete(upload_id)

    assert (await keys.json("GET", f"/files/{upload_id}/"))["datetime_stored"] is not None


@pytest.mark.parametrize("suffix", ["", "storage/"])
async def test_a_deleted_file_is_gone(keys: ProjectKeys, suffix: str) -> None:
    upload_id = await keys.file(stored=True)

    deleted = await keys.json("DELETE", f"/files/{upload_id}/{suffix}")

    assert deleted["datetime_removed"] is not None
    assert (deleted["datetime_stored"], deleted["original_file_url"]) == (None, None)
    assert await keys.json("GET", f"/files/{upload_id}/") == deleted
    [event] = await keys.gateway.emitted(FileDeleteRequested)
    assert event.upload_id == upload_id
    await keys.refused(404, "PUT", f"/files/{upload_id}/storage/")
    await keys.refused(404, "DELETE", f"/files/{upload_id}/{suffix}")
    await keys.refused(404, "GET", f"/files/{upload_id}/metadata/")


async def test_an_upload_that_is_deleted_under_way_is_aborted_and_not_there(keys: ProjectKeys) -> None:
    upload_id = await keys.register()

    await keys.json("DELETE", f"/files/{upload_id}/storage/")

    assert [event.upload_id for event in await keys.gateway.emitted(UploadAbortRequested)] == [upload_id]
    await keys.refused(404, "GET", f"/files/{upload_id}/")


async def test_an_expired_file_is_a_removed_one(keys: ProjectKeys) -> None:
    upload_id = await keys.file()
    await keys.gateway.handle(FileExpired(**keys.gateway.about(upload_id), version=Stage.REMOVED))

    assert (await keys.json("GET", f"/files/{upload_id}/"))["datetime_removed"] is not None


async def test_another_projects_file_does_not_exist(keys: ProjectKeys) -> None:  # U-34
    other = await add_project(keys.gateway)
    upload_id = await other.file(metadata={"a": "b"})
    group_id = await other.group(upload_id)
    hook = await other.hook("file.stored")

    one = f"/files/{upload_id}/"
    for method, path in (
        ("GET", one), ("DELETE", one), ("PUT", f"{one}storage/"), ("DELETE", f"{one}storage/"), ("GET", f"{one}metadata/"),
        ("GET", f"{one}metadata/a/"), ("DELETE", f"{one}metadata/a/"), ("GET", f"/groups/{group_id}/"),
        ("DELETE", f"/groups/{group_id}/"), ("DELETE", f"/webhooks/{hook['id']}/"),
    ):  # fmt: skip
        await keys.refused(404, method, path)
    await keys.refused(404, "PUT", f"{one}metadata/a/", json="c")
    await keys.refused(404, "PUT", f"/webhooks/{hook['id']}/", json={"is_active": False})
    await keys.refused(404, "DELETE", "/webhooks/unsubscribe/", json={"target_url": hook["target_url"]})
    for method in ("PUT", "DELETE"):
        batch = await keys.json(method, "/files/storage/", json=[str(upload_id)])
        assert batch == {"status": "ok", "problems": {str(upload_id): "Missing in the project"}, "result": []}
    for path in ("/files/", "/groups/"):
        assert (await keys.json("GET", path))["total"] == 0
    assert await keys.json("GET", "/webhooks/") == []
    assert (await other.json("GET", one))["metadata"] == {"a": "b"}
    assert await other.told() == []


# ---------------------------------------------------------------- many files


async def test_many_files_are_stored_and_deleted_at_once(keys: ProjectKeys) -> None:
    first, second = await keys.file(), await keys.file()
    unknown = str(uuid4())

    stored = await keys.json("PUT", "/files/storage/", json=[str(second), "x", str(first), unknown, str(second)])

    assert stored["status"] == "ok"
    assert stored["problems"] == {"x": "Invalid UUID", unknown: "Missing in the project"}
    assert [file["uuid"] for file in stored["result"]] == [str(second), str(first)]
    assert all(file["datetime_stored"] for file in stored["result"])
    deleted = await keys.json("DELETE", "/files/storage/", json=[str(first), str(second)])
    assert all(file["datetime_removed"] for file in deleted["result"])
    assert deleted["problems"] == {}


async def test_a_batch_has_1_to_100_ids(keys: ProjectKeys) -> None:
    wrong: tuple[object, ...] = ([], [str(uuid4())] * 101, {}, "x", [1])
    for body in wrong:
        await keys.refused(400, "PUT", "/files/storage/", json=body)
    assert len((await keys.json("DELETE", "/files/storage/", json=[str(uuid4()) for _ in range(100)]))["problems"]) == 100
    await keys.refused(400, "PUT", "/files/storage/", data=b"[", headers={"Content-Type": "application/json"})
    await keys.refused(415, "PUT", "/files/storage/", data=b"[]", headers={"Content-Type": "text/plain"})
    await keys.refused(413, "PUT", "/files/storage/", json=["x" * 70_000])


async def listed(keys: ProjectKeys, url: str) -> tuple[list[str], list[int]]:
    """All ids, page by page, and how many each page has."""
    ids: list[str] = []
    sizes = []
    while url:
        page = await keys.json("GET", url.removeprefix(BASE_URL))
        ids += [file.get("uuid") or file["id"] for file in page["results"]]
        sizes.append(len(page["results"]))
        url = page["next"]
    return ids, sizes


@pytest.mark.parametrize("ordering", ["datetime_uploaded", "-datetime_uploaded"])
async def test_files_are_listed_page_by_page_also_where_their_times_are_equal(keys: ProjectKeys, ordering: str) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    ids = sorted([await keys.file(registered_at=begin) for _ in range(4)])
    ids += [await keys.file(registered_at=begin + timedelta(seconds=n)) for n in (1, 2, 3)]
    await keys.register()  # nobody knows yet what it will be
    expected = [str(one) for one in (ids if ordering == "datetime_uploaded" else reversed(ids))]

    assert await listed(keys, f"/files/?limit=3&ordering={ordering}") == (expected, [3, 3, 1])


async def test_a_page_knows_the_one_before(keys: ProjectKeys) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [str(await keys.file(registered_at=begin + timedelta(seconds=n))) for n in range(5)]

    first = await keys.json("GET", "/files/?limit=2")
    second = await keys.json("GET", first["next"].removeprefix(BASE_URL))
    back = await keys.json("GET", second["previous"].removeprefix(BASE_URL))

    assert (first["previous"], first["total"], first["per_page"]) == (None, 5, 2)
    assert [file["uuid"] for file in second["results"]] == ids[2:4]
    assert (back["results"], back["previous"]) == (first["results"], None)


async def test_a_listing_begins_where_it_is_told_to(keys: ProjectKeys) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [str(await keys.file(registered_at=begin + timedelta(seconds=n))) for n in range(3)]

    later = await keys.json("GET", "/files/", params={"from": "2026-01-01T00:00:01Z"})
    earlier = await keys.json("GET", "/files/", params={"from": "2026-01-01T00:00:01", "ordering": "-datetime_uploaded"})

    assert [file["uuid"] for file in later["results"]] == ids[1:]
    assert [file["uuid"] for file in earlier["results"]] == [ids[1], ids[0]]


async def test_files_are_listed_by_what_became_of_them(keys: ProjectKeys) -> None:
    stored, plain, removed = await keys.file(stored=True), await keys.file(), await keys.file(stored=True)
    await keys.json("DELETE", f"/files/{removed}/storage/")

    async def found(query: str) -> tuple[list[str], int]:
        page = await keys.json("GET", f"/files/?{query}")
        assert page["totals"] == {"removed": 1, "stored": 1, "unstored": 1}
        return [file["uuid"] for file in page["results"]], page["total"]

    assert await found("") == ([str(stored), str(plain)], 2)
    assert await found("removed=false") == ([str(stored), str(plain)], 2)
    assert await found("stored=true") == ([str(stored)], 1)
    assert await found("stored=false") == ([str(plain)], 1)
    assert await found("removed=true") == ([str(removed)], 1)
    assert await found("removed=true&stored=true") == ([], 0)
    assert await found("removed=true&stored=false") == ([str(removed)], 1)


async def test_a_query_that_is_not_as_documented_is_refused(keys: ProjectKeys) -> None:
    for query in (
        "limit=0",
        "limit=1001",
        "limit=x",
        "ordering=size",
        "from=x",
        "from=2026-01-01~x",
        "removed=maybe",
        "from=%00",
    ):
        await keys.refused(400, "GET", f"/files/?{query}")
    await keys.json("GET", "/files/?limit=1000&unknown=1&query_parameters=%7B%7D")


# ---------------------------------------------------------------- metadata


async def test_metadata_is_set_changed_read_and_deleted(keys: ProjectKeys) -> None:  # U-40
    path = f"/files/{await keys.file()}/metadata/"

    assert await keys.json("GET", path) == {}
    assert await keys.json("PUT", f"{path}-:45az_./", status=201, json="Zoë") == "Zoë"
    assert await keys.json("PUT", f"{path}-:45az_./", json="Zoe") == "Zoe"
    assert await keys.json("GET", path) == {"-:45az_.": "Zoe"}
    assert await keys.json("GET", f"{path}-:45az_./") == "Zoe"
    assert (await keys.call("DELETE", f"{path}-:45az_./")).status == 204
    assert await keys.json("GET", path) == {}
    await keys.refused(404, "GET", f"{path}-:45az_./")
    await keys.refused(404, "DELETE", f"{path}-:45az_./")


async def test_metadata_has_its_limits(keys: ProjectKeys) -> None:  # U-40, U-11
    path = f"/files/{await keys.file(metadata={f'k{n}': 'v' for n in range(49)})}/metadata/"

    for key in ("a%20b", "ä", "x" * 65, "a%2Fb", "a$"):
        await keys.refused(400, "PUT", f"{path}{key}/", json="value")
    wrong: tuple[object, ...] = ("", "x" * 513, 1, ["x"], {}, "a\0b")
    for value in wrong:
        await keys.refused(400, "PUT", f"{path}key/", json=value)
    assert await keys.json("PUT", f"{path}{'x' * 64}/", status=201, json="ä" * 512) == "ä" * 512
    assert "50" in await keys.refused(400, "PUT", f"{path}key/", json="value")
    assert await keys.json("PUT", f"{path}k1/", json="new") == "new"


# ---------------------------------------------------------------- groups


async def test_a_group_is_shown_with_its_files(keys: ProjectKeys) -> None:  # U-36
    kept, removed = await keys.file(), await keys.file()
    group_id = await keys.group(kept, removed, effects="resize/x800/")
    await keys.json("DELETE", f"/files/{removed}/storage/")

    shown = await keys.json("GET", f"/groups/{group_id.replace('~', '%7E')}/")

    assert (shown["id"], shown["files_count"]) == (group_id, 2)
    assert (shown["cdn_url"], shown["url"]) == (f"{BASE_URL}/{group_id}/", f"{BASE_URL}/groups/{group_id}/")
    first, second = shown["files"]
    assert second is None
    assert first == {**await keys.json("GET", f"/files/{kept}/"), "default_effects": "resize/x800/"}
    for wrong in (group_id.replace("~2", "~3"), group_id.replace("~2", ""), group_id.replace("~2", "~0")):
        await keys.refused(404, "GET", f"/groups/{wrong}/")


async def test_groups_are_listed_page_by_page(keys: ProjectKeys) -> None:
    upload_id = await keys.file()
    ids = [await keys.group(upload_id) for _ in range(5)]

    assert await listed(keys, "/groups/?limit=2") == (ids, [2, 2, 1])
    assert await listed(keys, "/groups/?limit=2&ordering=-datetime_created") == (ids[::-1], [2, 2, 1])
    page = await keys.json("GET", "/groups/")
    assert (page["total"], page["per_page"], page["next"], page["previous"]) == (5, 100, None, None)
    assert set(page["results"][0]) == {"id", "datetime_created", "files_count", "cdn_url", "url"}


async def test_a_deleted_group_leaves_its_files(keys: ProjectKeys) -> None:
    upload_id = await keys.file()
    group_id = await keys.group(upload_id)

    assert (await keys.call("DELETE", f"/groups/{group_id}/")).status == 204

    await keys.refused(404, "GET", f"/groups/{group_id}/")
    await keys.refused(404, "DELETE", f"/groups/{group_id}/")
    assert (await keys.json("GET", f"/files/{upload_id}/"))["datetime_removed"] is None


# ---------------------------------------------------------------- copies


async def test_a_file_is_copied_as_a_file_of_its_own(keys: ProjectKeys) -> None:
    source = await keys.readable_file()
    for text in (f"{source}", f"/{source}/", f"https://ucarecdn.com/{source}/", f"{BASE_URL}/{source}/photo.jpg"):
        copied = await keys.json("POST", "/files/local_copy/", status=201, json={"source": text, "store": True})

        assert copied["type"] == "file"
        file = copied["result"]
        assert file["uuid"] != str(source)
        assert (file["original_filename"], file["size"], file["is_ready"]) == ("photo.jpg", 5, False)
        assert file["datetime_stored"] is not None
        event = (await keys.gateway.emitted(UploadRegistered))[-1]
        assert (str(event.upload_id), event.transfer, event.constraints.size_bytes) == (file["uuid"], "streamed", 5)
        assert b"".join([chunk async for chunk in keys.gateway.store.read(event.staging_key)]) == b"bytes"


async def test_a_copy_is_kept_as_asked(keys: ProjectKeys) -> None:
    source = await keys.readable_file()

    async def copy(**options: object) -> Any:
        return (await keys.json("POST", "/files/local_copy/", status=201, json={"source": str(source), **options}))["result"]

    assert (await copy())["datetime_stored"] is None
    assert (await copy(store="false"))["datetime_stored"] is None
    assert (await copy(store="auto"))["datetime_stored"] is not None
    await keys.change(auto_store=False)
    assert (await copy(store="auto"))["datetime_stored"] is None


async def test_what_cannot_be_copied_is_refused(keys: ProjectKeys) -> None:
    source, pending = await keys.readable_file(), await keys.register()
    foreign = await (await add_project(keys.gateway)).readable_file()

    for text in ("x", f"{source}/-/resize/10x/", f"ftp://a/{source}/", str(pending)):
        await keys.refused(400, "POST", "/files/local_copy/", json={"source": text})
    for missing in (uuid4(), foreign, await keys.file()):  # of the last one no bytes are there
        await keys.refused(404, "POST", "/files/local_copy/", json={"source": str(missing)})
    await keys.json("DELETE", f"/files/{source}/storage/")
    await keys.refused(404, "POST", "/files/local_copy/", json={"source": str(source)})
