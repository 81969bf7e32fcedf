"""The json2video API, row by row (J-01 to J-23), as far as one service shows it; the whole chain is in the end-to-end tests."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from contracts.events import (
    FileDeleteRequested,
    FileRetentionChanged,
    UploadAbortRequested,
    UploadRegistered,
)
from libs.object_store.port import StoreUnavailableError
from tests.contract.dialects.conftest import BASE_URL, Gateway, add_tenant
from tests.contract.dialects.faces import json2video_message

FILE = "/v2/media/file"
FOLDER = "/v2/media/folder"
TAKEN = "A file with this name already exists. Delete it first."


async def asked(gateway: Gateway, method: str, path: str, status: int = 200, **options: Any) -> dict[str, Any]:
    response = await gateway.call(method, path, **options)
    answer: dict[str, Any] = await response.json()
    assert response.status == status, answer
    if status == 200:
        assert answer["success"] is True
    else:
        json2video_message(answer, status)
    return answer


async def create(gateway: Gateway, status: int = 200, **fields: Any) -> dict[str, Any]:
    """`...` leaves a field out."""
    body = {"name": "clip.mp4", "contentType": "video/mp4", "size": 3145728, **fields}
    return await asked(gateway, "POST", FILE, status, json={name: value for name, value in body.items() if value is not ...})


async def message(gateway: Gateway, status: int = 400, **fields: Any) -> str:
    """With which this body is refused; nothing is registered by it."""
    before = len(await gateway.emitted(UploadRegistered))
    text: str = (await create(gateway, status, **fields))["message"]
    assert len(await gateway.emitted(UploadRegistered)) == before
    return text


async def file(gateway: Gateway, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await asked(gateway, "GET", FILE, params={"path": path}))["file"]
    return found


async def last_id(gateway: Gateway) -> str:
    return str((await gateway.emitted(UploadRegistered))[-1].upload_id)


async def uploaded(gateway: Gateway, size: int = 1000, **fields: Any) -> str:
    await create(gateway, size=size, **fields)
    upload_id = await last_id(gateway)
    await gateway.complete(upload_id, size_bytes=size)
    return upload_id


async def test_the_published_example_passes(gateway: Gateway) -> None:
    # J-01, J-11, J-12, J-23
    answer = await create(gateway, folder="videos")

    assert set(answer) == {"success", "uploadUrl", "fileUrl", "expiresIn"}
    assert answer["fileUrl"] == f"{BASE_URL}/{gateway.tenant.client_id}/files/videos/clip.mp4"
    assert answer["expiresIn"] == 120
    assert (await file(gateway, "videos/clip.mp4"))["status"] == "pending"
    [signed] = parse_qs(urlsplit(answer["uploadUrl"]).query)["X-Amz-SignedHeaders"]
    assert signed == "content-length;content-type;host"  # the PUT needs no header but Content-Type


async def test_the_upload_url_lives_for_two_minutes(gateway: Gateway) -> None:
    # J-13
    answer = await create(gateway)

    [event] = await gateway.emitted(UploadRegistered)
    assert parse_qs(urlsplit(answer["uploadUrl"]).query)["X-Amz-Expires"] == ["120"]
    assert event.url_expires_at - event.registered_at == timedelta(seconds=120)
    assert event.deadline_at > event.url_expires_at


async def test_the_declared_size_is_exact(gateway: Gateway) -> None:
    await create(gateway, size=77)

    [event] = await gateway.emitted(UploadRegistered)
    assert (event.constraints.size_bytes, event.constraints.max_size_bytes) == (77, 77)
    assert event.constraints.content_type == "video/mp4"


async def test_missing_fields_have_their_messages(gateway: Gateway) -> None:
    # J-18
    for absent in (..., None, ""):
        assert await message(gateway, name=absent) == "name is required"
        assert await message(gateway, contentType=absent) == "contentType is required"
        assert await message(gateway, size=absent) == "size is required and must be a positive number"


async def test_a_size_is_a_positive_integer(gateway: Gateway) -> None:
    # J-08
    sizes: tuple[object, ...] = (0, -1, "5", 1.5, True, [], {}, None)
    for size in sizes:
        assert await message(gateway, size=size) == "size is required and must be a positive number"


async def test_the_first_wrong_field_decides_the_message(gateway: Gateway) -> None:
    assert await message(gateway, name=..., contentType=..., size=0, folder=5) == "name is required"
    assert await message(gateway, contentType=..., size=0, folder=5) == "contentType is required"
    assert await message(gateway, size=0, folder=5) == "size is required and must be a positive number"
    assert await message(gateway, size=524288001, folder=5) == "Invalid folder name"


async def test_500_mb_pass_and_one_byte_more_does_not(gateway: Gateway) -> None:
    # J-02, J-08, J-19
    assert (await create(gateway, size=524288000))["success"]
    for size in (524288001, 2**63, 10**30):
        assert await message(gateway, 413, size=size) == "File exceeds maximum size of 500 MB"


async def test_characters_of_a_name_are_replaced_one_by_one(gateway: Gateway) -> None:
    # J-06
    for name, stored in {
        "my clip (1).mp4": "my_clip__1_.mp4",
        "a/b\\c.mp4": "a_b_c.mp4",
        "日本.mp4": "__.mp4",
        "ä😀.png": "__.png",
        "..": "__",
        ".": "_",
        "../../etc/passwd": ".._.._etc_passwd",
        "%2e%2e": "_2e_2e",
        "  ~": "___",
        "-._aZ9": "-._aZ9",
    }.items():
        answer = await create(gateway, name=name)
        assert answer["fileUrl"] == f"{BASE_URL}/{gateway.tenant.client_id}/files/{stored}", name


async def test_a_name_has_at_most_255_characters(gateway: Gateway) -> None:
    assert (await create(gateway, name="x" * 255))["success"]
    assert "255" in await message(gateway, name="x" * 256)


async def test_a_content_type_is_a_mime_type(gateway: Gateway) -> None:
    for content_type in ("video", "a/b\r\nX: y", "ä/b", "/", "a" * 300, " "):
        assert await message(gateway, contentType=content_type) == "contentType is not a MIME type"


async def test_the_content_type_decides_the_shown_type(gateway: Gateway) -> None:
    # J-07
    for content_type, shown in {
        "image/png": "image", "VIDEO/mp4": "video", "audio/mpeg": "audio", "application/pdf": "other", "x-y/z; a=b": "other",
    }.items():  # fmt: skip
        await create(gateway, name=f"{shown}{len(content_type)}", contentType=content_type)
        assert (await file(gateway, f"{shown}{len(content_type)}"))["type"] == shown


async def test_without_a_folder_the_file_lands_at_the_root(gateway: Gateway) -> None:
    # J-09
    for number, folder in enumerate((..., None, "", "/", "//")):
        answer = await create(gateway, name=f"{number}.mp4", folder=folder)
        assert answer["fileUrl"].endswith(f"/files/{number}.mp4")
        assert (await file(gateway, f"/{number}.mp4"))["folder"] == "/"


async def test_folder_names_are_sanitised(gateway: Gateway) -> None:
    # J-15
    for number, (folder, stored) in enumerate(
        {
            "videos/raw": "videos/raw",
            "/a//b/": "a/b",
            "my folder!": "myfolder",
            "../x": "x",
            "ünï": "n",
            "a/../b": "a/b",
        }.items()
    ):
        answer = await create(gateway, name=f"{number}.mp4", folder=folder)
        assert answer["fileUrl"].endswith(f"/files/{stored}/{number}.mp4"), folder
    for folder in ("...", "日本", "!/!", "x" * 600):
        assert await message(gateway, folder=folder) == "Invalid folder name"


async def test_a_blocked_storage_takes_no_more(gateway: Gateway) -> None:
    # J-20
    await gateway.sql("UPDATE tenants SET storage_blocked_at = now() WHERE id = $1", gateway.tenant.id)

    assert await message(gateway, 403) == "Storage is blocked. Add credits to continue uploading."
    assert await message(gateway, 403, size=524288001) == "Storage is blocked. Add credits to continue uploading."
    assert await message(gateway, name=...) == "name is required"
    storage = (await asked(gateway, "GET", "/v2/media"))["storage"]
    assert storage["blocked"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", storage["blocked_at"])


@pytest.mark.composed
async def test_a_name_belongs_to_one_live_file_of_a_folder(gateway: Gateway) -> None:
    # J-22
    await create(gateway)

    assert await message(gateway, 409) == TAKEN
    assert await message(gateway, 409, size=524288001 - 1) == TAKEN
    assert (await create(gateway, folder="videos"))["success"]
    await gateway.complete((await gateway.emitted(UploadRegistered))[0].upload_id)
    gateway.clock.offset = timedelta(days=1)
    assert await message(gateway, 409) == TAKEN


@pytest.mark.composed
async def test_a_pending_file_blocks_its_name_until_its_url_expires(gateway: Gateway) -> None:
    # 5.4.11
    await create(gateway)
    first = await last_id(gateway)
    gateway.clock.offset = timedelta(seconds=110)
    assert await message(gateway, 409) == TAKEN
    gateway.clock.offset = timedelta(seconds=121)

    await create(gateway, size=5)

    [event] = await gateway.emitted(UploadAbortRequested)
    assert (str(event.upload_id), event.reason) == (first, "replaced")
    assert (await file(gateway, "clip.mp4"))["size"] == 5
    # Bytes of the replaced one that arrive all the same are thrown away, and change nothing.
    await gateway.complete(first)
    assert [str(event.upload_id) for event in await gateway.emitted(FileDeleteRequested)] == [first]
    assert (await file(gateway, "clip.mp4"))["status"] == "pending"


@pytest.mark.composed
async def test_bytes_that_arrived_hold_the_name_although_the_url_expired(gateway: Gateway) -> None:
    await create(gateway)
    stored, _ = gateway.completion(await last_id(gateway), size_bytes=1, content_type="video/mp4")
    await gateway.handle(stored)
    gateway.clock.offset = timedelta(hours=1)

    assert await message(gateway, 409) == TAKEN


@pytest.mark.composed
@pytest.mark.parametrize("is_promoted", [False, True])
async def test_bytes_that_nobody_noticed_yet_hold_the_name_too(gateway: Gateway, is_promoted: bool) -> None:
    # 5.4.11
    await create(gateway, name="a", folder="to")
    [registered] = await gateway.emitted(UploadRegistered)
    await gateway.put(registered.object_key if is_promoted else registered.staging_key)
    gateway.clock.offset = timedelta(hours=1)
    await create(gateway, name="a")

    assert await message(gateway, 409, name="a", folder="to") == TAKEN
    await asked(gateway, "PUT", FILE, 409, json={"name": "a", "destination": "to"})

    assert await gateway.emitted(UploadAbortRequested) == []


@pytest.mark.composed
async def test_while_the_store_is_away_nobody_is_replaced(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(key: str) -> None:
        raise StoreUnavailableError(key)

    await create(gateway)
    gateway.clock.offset = timedelta(hours=1)
    monkeypatch.setattr(gateway.store, "stat", away)

    await create(gateway, 503)

    assert await gateway.emitted(UploadAbortRequested) == []


async def test_a_file_in_temp_is_temporary(gateway: Gateway) -> None:
    # J-10
    await create(gateway, folder="temp")

    [event] = await gateway.emitted(UploadRegistered)
    assert event.file_expires_at - event.registered_at == timedelta(hours=24)
    assert (await file(gateway, "temp/clip.mp4"))["temporary"] is True
    await create(gateway, folder="temporary")
    assert (await gateway.emitted(UploadRegistered))[-1].file_expires_at is None


async def test_the_server_alone_makes_it_uploaded(gateway: Gateway) -> None:
    # J-14, J-07
    await create(gateway, folder="videos")
    upload_id = await last_id(gateway)
    stored, completed = gateway.completion(upload_id, size_bytes=3145728, content_type="video/mp4")
    await gateway.handle(stored)
    assert (await file(gateway, "videos/clip.mp4"))["status"] == "pending"
    await gateway.handle(completed)

    view = await file(gateway, "videos/clip.mp4")

    assert view["status"] == "uploaded"
    assert view["thumbnailUrl"] is None
    await gateway.process(upload_id)
    view = await file(gateway, "videos/clip.mp4")
    assert set(view) == {
        "name", "folder", "type", "contentType", "size", "url", "thumbnailUrl", "status", "temporary", "created_at"
    }  # fmt: skip
    assert view["thumbnailUrl"] == f"{BASE_URL}/renditions/{upload_id}/thumbnail.jpg"
    assert (view["name"], view["folder"], view["size"], view["type"]) == ("clip.mp4", "videos", 3145728, "video")


async def test_the_file_url_serves_the_bytes_after_the_upload(gateway: Gateway) -> None:
    # J-12
    answer = await create(gateway, size=6)
    upload_id = await last_id(gateway)
    path = urlsplit(answer["fileUrl"]).path
    await gateway.store.write(f"files/{upload_id}/original.mp4", _chunks(b"pixels"), content_type="video/mp4")
    before = (await gateway.http.get(path)).status
    await gateway.complete(upload_id, size_bytes=6)

    response = await gateway.http.get(path)

    assert (before, response.status, await response.read()) == (404, 200, b"pixels")


async def test_a_folder_is_created_once(gateway: Gateway) -> None:
    # J-03, J-15, J-16, J-17, J-23
    first = await asked(gateway, "POST", FOLDER, json={"folder": "videos/raw"})
    second = await asked(gateway, "POST", FOLDER, json={"folder": "/videos//raw/"})
    parent = await asked(gateway, "POST", FOLDER, json={"folder": "videos"})

    assert set(first) == {"success", "timestamp"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])
    assert datetime.fromisoformat(first["timestamp"])
    assert second["message"] == parent["message"] == "Folder already exists"


async def test_folders_that_hold_files_exist_already(gateway: Gateway) -> None:
    # J-16
    await create(gateway, folder="videos/raw")

    for folder in ("videos/raw", "videos", "temp"):
        assert (await asked(gateway, "POST", FOLDER, json={"folder": folder}))["message"] == "Folder already exists"


async def test_a_folder_without_a_name_is_refused(gateway: Gateway) -> None:
    # J-18
    for body in ({}, {"folder": None}, {"folder": ""}):
        assert (await asked(gateway, "POST", FOLDER, 400, json=body))["message"] == "folder is required"
    for folder in ("!!!", "/", "日本", 5, ["a"], "x" * 600):
        assert (await asked(gateway, "POST", FOLDER, 400, json={"folder": folder}))["message"] == "Invalid folder name"


async def test_the_storage_in_use_is_exact(gateway: Gateway) -> None:
    # Part 2.5
    await uploaded(gateway, 1000, name="a")
    removed = await uploaded(gateway, 500, name="b")
    await uploaded(gateway, 70, name="c", folder="temp")
    await create(gateway, name="pending")

    async def used() -> int:
        storage = (await asked(gateway, "GET", "/v2/media", role="viewer"))["storage"]
        assert set(storage) == {"used_bytes", "free_allowance", "credits_per_week", "blocked", "blocked_at"}
        assert (storage["free_allowance"], storage["blocked"], storage["blocked_at"]) == (52428800, False, None)
        return int(storage["used_bytes"])

    assert await used() == 1500
    await gateway.complete(removed, size_bytes=500)  # once more: nothing changes
    assert await used() == 1500
    await asked(gateway, "PUT", FILE, json={"name": "a", "destination": "temp"})
    assert await used() == 500
    await asked(gateway, "PUT", FILE, json={"name": "c", "folder": "temp", "destination": "/"})
    assert await used() == 570
    await asked(gateway, "DELETE", FILE, json={"name": "b"})
    assert await used() == 70
    await gateway.remove(removed)
    assert await used() == 70


async def test_a_file_is_found_by_its_path(gateway: Gateway) -> None:
    await create(gateway, folder="a/b", name="x y.png", contentType="image/png")

    for path in ("a/b/x_y.png", "/a/b/x y.png", "a//b/x_y.png"):
        assert (await file(gateway, path))["folder"] == "a/b"
    assert (await asked(gateway, "GET", FILE, 400))["message"] == "path is required"
    assert (await asked(gateway, "GET", FILE, 404, params={"path": "nothing.png"}))["message"] == "File not found"


async def test_the_files_of_other_tenants_are_not_there(gateway: Gateway) -> None:
    await create(gateway)
    _, keys = await add_tenant(gateway.service)

    other: dict[str, Any] = {"role": None, "key": keys["admin"]}
    await asked(gateway, "GET", FILE, 404, params={"path": "clip.mp4"}, **other)
    await asked(gateway, "DELETE", FILE, 404, json={"name": "clip.mp4"}, **other)
    assert (await asked(gateway, "GET", FOLDER, **other))["files"] == []


async def test_a_listing_shows_the_folders_and_files_directly_in_a_folder(gateway: Gateway) -> None:
    for folder, name in (
        ("", "root.png"),
        ("a", "1.mp4"),
        ("a/b/c", "2.mp4"),
        ("a-b", "3.mp4"),
        ("a/b-c", "4.mp4"),
        ("z", "5"),
    ):
        await create(gateway, folder=folder, name=name, contentType="image/png" if "png" in name else "video/mp4")
    await asked(gateway, "POST", FOLDER, json={"folder": "a/empty"})

    async def listed(**params: str) -> tuple[list[str], list[str]]:
        answer = await asked(gateway, "GET", FOLDER, params=params)
        return [folder["path"] for folder in answer["folders"]], [found["name"] for found in answer["files"]]

    assert await listed() == (["a", "a-b", "z"], ["root.png"])
    assert await listed(path="/a") == (["a/b", "a/b-c", "a/empty"], ["1.mp4"])
    assert await listed(folder="a/b") == (["a/b/c"], [])
    assert await listed(path="a/empty") == ([], [])
    assert await listed(path="temp") == ([], [])
    assert await listed(type="video") == (["a", "a-b", "z"], [])
    assert (await asked(gateway, "GET", FOLDER, 404, params={"path": "nowhere"}))["message"] == "Folder not found"
    assert (await asked(gateway, "GET", FOLDER, 400, params={"type": "text"}))["message"].startswith("type: ")


async def test_a_long_listing_comes_in_pages(gateway: Gateway) -> None:
    for number in range(5):
        await create(gateway, name=f"{number}.mp4", folder="many")
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"path": "many", "limit": "2", "cursor": cursor}
        answer = await asked(gateway, "GET", FOLDER, params=query)
        names += [found["name"] for found in answer["files"]]
        cursor = answer["next_cursor"]

    assert names == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"]
    for limit in ("0", "1001", "x"):
        await asked(gateway, "GET", FOLDER, 400, params={"limit": limit})


async def test_a_tree_shows_all_folders_with_their_sums(gateway: Gateway) -> None:
    await uploaded(gateway, 10, name="1", folder="a")
    await uploaded(gateway, 20, name="2", folder="a/b")
    await uploaded(gateway, 30, name="3", folder="a/b")
    await asked(gateway, "POST", FOLDER, json={"folder": "c"})

    answer = await asked(gateway, "GET", FOLDER, params={"tree": "true"})

    assert [(found["path"], found["files"], found["size"]) for found in answer["folders"]] == [
        ("a", 1, 10),
        ("a/b", 2, 50),
        ("c", 0, 0),
    ]


async def test_a_moved_file_has_another_address(gateway: Gateway) -> None:
    upload_id = await uploaded(gateway, name="a.mp4", folder="from")
    await gateway.store.write(f"files/{upload_id}/original.mp4", _chunks(b"x" * 1000), content_type="video/mp4")

    await asked(gateway, "PUT", FILE, json={"name": "a.mp4", "folder": "from", "destination": "to/here"})

    view = await file(gateway, "to/here/a.mp4")
    assert view["url"].endswith("/files/to/here/a.mp4")
    assert (await gateway.http.get(urlsplit(view["url"]).path)).status == 200
    await asked(gateway, "GET", FILE, 404, params={"path": "from/a.mp4"})
    assert await gateway.emitted(FileRetentionChanged) == []


async def test_moving_into_temp_and_out_changes_the_retention(gateway: Gateway) -> None:
    await uploaded(gateway, name="a.mp4")
    await asked(gateway, "PUT", FILE, json={"name": "a.mp4", "destination": "temp"})
    assert (await file(gateway, "temp/a.mp4"))["temporary"] is True
    await asked(gateway, "PUT", FILE, json={"name": "a.mp4", "folder": "temp", "destination": "/"})
    assert (await file(gateway, "a.mp4"))["temporary"] is False

    first, second = await gateway.emitted(FileRetentionChanged)
    assert (first.revision, second.revision, second.file_expires_at) == (1, 2, None)
    assert abs(first.file_expires_at - gateway.clock() - timedelta(hours=24)) < timedelta(minutes=5)


async def test_a_move_is_refused_with_its_messages(gateway: Gateway) -> None:
    # Part 2.5
    await create(gateway, name="a")
    await create(gateway, name="a", folder="to")

    async def refused(status: int, **body: object) -> str:
        return str((await asked(gateway, "PUT", FILE, status, json=body))["message"])

    for destination in ({}, {"destination": ""}, {"destination": None}, {"destination": 5}):
        assert await refused(400, name="a", **destination) == "destination is required"
    assert await refused(400, destination="to") == "name is required"
    assert await refused(400, name="a", destination="!!!") == "Invalid folder name"
    assert await refused(404, name="b", destination="to") == "File not found"
    taken = "A file with this name already exists in the destination folder"
    assert await refused(409, name="a", destination="to") == taken
    assert await refused(409, name="a", destination="/") == taken
    assert (await file(gateway, "a"))["folder"] == "/"


@pytest.mark.composed
async def test_a_move_replaces_a_dead_registration(gateway: Gateway) -> None:
    await create(gateway, name="a", folder="to")
    dead = await last_id(gateway)
    gateway.clock.offset = timedelta(minutes=5)
    await create(gateway, name="a")

    await asked(gateway, "PUT", FILE, json={"name": "a", "destination": "to"})

    assert [str(event.upload_id) for event in await gateway.emitted(UploadAbortRequested)] == [dead]


async def test_a_deleted_file_frees_its_name_at_once(gateway: Gateway) -> None:
    upload_id = await uploaded(gateway, folder="videos")

    await asked(gateway, "DELETE", FILE, json={"name": "clip.mp4", "folder": "videos"})

    assert [str(event.upload_id) for event in await gateway.emitted(FileDeleteRequested)] == [upload_id]
    missing = await asked(gateway, "DELETE", FILE, 404, json={"name": "clip.mp4", "folder": "videos"})
    assert missing["message"] == "File not found"
    assert (await create(gateway, folder="videos"))["success"]
    await gateway.remove(upload_id)
    assert await message(gateway, 409, folder="videos") == TAKEN
    assert (await asked(gateway, "DELETE", FILE, 400, json={}))["message"] == "name is required"


async def test_a_pending_file_is_aborted_by_its_deletion(gateway: Gateway) -> None:
    await create(gateway)

    await asked(gateway, "DELETE", FILE, json={"name": "clip.mp4"})

    [event] = await gateway.emitted(UploadAbortRequested)
    assert event.reason == "client"


async def test_only_an_empty_folder_is_deleted(gateway: Gateway) -> None:
    # Part 2.5

    async def delete(status: int, **body: object) -> str:
        return str((await asked(gateway, "DELETE", FOLDER, status, json=body))["message"])

    await create(gateway, folder="videos/raw")
    await asked(gateway, "POST", FOLDER, json={"folder": "videos"})
    await asked(gateway, "POST", FOLDER, json={"folder": "empty"})

    assert await delete(400) == "folder is required"
    assert await delete(400, folder="/") == "Cannot delete root folder"
    assert await delete(400, folder="temp") == "Cannot delete the temp folder"
    assert await delete(400, folder="!!") == "Invalid folder name"
    for folder in ("videos", "videos/raw"):
        assert await delete(400, folder=folder) == "Folder is not empty. Delete all files first."
    assert await delete(404, folder="nowhere") == "Folder not found"
    assert await delete(200, folder="empty")
    assert await delete(404, folder="empty") == "Folder not found"


async def test_roles_below_editor_neither_move_nor_delete(gateway: Gateway) -> None:
    # J-21
    await create(gateway)
    for role in ("viewer", "render"):
        for method, path, body in (
            ("PUT", FILE, {"name": "clip.mp4", "destination": "x"}),
            ("DELETE", FILE, {"name": "clip.mp4"}),
            ("DELETE", FOLDER, {"folder": "x"}),
        ):
            assert (await asked(gateway, method, path, 403, role=role, json=body))["message"] == "Insufficient permissions"
    denied = await asked(gateway, "POST", FOLDER, 403, role="viewer", json={"folder": "x"})
    assert denied["message"] == "Insufficient permissions"
    await asked(gateway, "POST", FOLDER, role="render", json={"folder": "x"})
    await asked(gateway, "DELETE", FILE, role="editor", json={"name": "clip.mp4"})


async def test_every_route_needs_a_key(gateway: Gateway) -> None:
    # J-04, 5.2.6
    for method, path in (
        ("GET", "/v2/media"), ("GET", FILE), ("POST", FILE), ("PUT", FILE), ("DELETE", FILE),
        ("GET", FOLDER), ("POST", FOLDER), ("DELETE", FOLDER),
    ):  # fmt: skip
        await asked(gateway, method, path, 403, role=None)


async def test_no_query_is_a_fault_of_the_server(gateway: Gateway) -> None:
    for text in (
        "%ED%A0%80",
        "%FF",
        "%00",
        "\\",
        "'",
        "%",
        "a" * 3000,
        "..%2F..",
        "%F0%9F%98%80",
        "1e3",
        "-1",
        "99999999999999999999",
    ):
        for name in ("path", "folder", "cursor", "limit", "type", "tree"):
            for path in (FILE, FOLDER):
                response = await gateway.http.get(
                    URL(f"{path}?{name}={text}", encoded=True), headers={"X-API-Key": gateway.keys["admin"]}
                )
                assert response.status in (200, 400, 404), (path, name, text)
                assert "success" in await response.json()


async def test_the_lifetime_of_the_url_is_a_setting(make_gateway: Callable[..., Any]) -> None:
    gateway = await make_gateway(gateway_json2video_url_seconds=7)

    answer = await create(gateway)

    assert answer["expiresIn"] == 7


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
