"""Folders of the MediaLab API: numbers for the one tree, on both stores."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import Gateway, add_tenant
from tests.contract.dialects.medialab import File, MediaLab, medialab_of


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


async def create(api: MediaLab, name: str, parent: int = 0) -> int:
    number = (await api.ok("POST", f"/api/folders/{parent}", json={"name": name}))["folder_id"]
    assert type(number) is int and number > 0
    return int(number)


async def contents(api: MediaLab, number: int, query: str = "") -> Any:
    return await api.ok("GET", f"/api/folders/{number}/contents{query}")


async def test_a_folder_is_created_in_another_one(api: MediaLab) -> None:
    # Part 2.1, sdk-php
    outer = await create(api, "Campaign 2026")
    inner = await create(api, "Été / cut 1", outer)

    assert await api.ok("GET", f"/api/folders/{inner}") == {"folder_id": inner, "name": "Été / cut 1", "parent_id": outer}
    assert await api.ok("GET", f"/folders/{outer}") == {"folder_id": outer, "name": "Campaign 2026", "parent_id": 0}
    assert await api.ok("GET", "/api/folders/0") == {"folder_id": 0, "name": "", "parent_id": None}
    [found] = (await contents(api, outer))["folders"]
    assert found == {"folder_id": inner, "name": "Été / cut 1", "parent_id": outer}


async def test_a_folder_may_be_created_by_any_body(api: MediaLab) -> None:
    # M-21
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    created = await api.ok("POST", "/folders/0", data=b"name=By%20form", headers=headers)

    assert created == {"status": "success", "folder_id": created["folder_id"], "name": "By form", "parent_id": 0}


async def test_the_same_name_is_the_same_folder(api: MediaLab) -> None:
    first = await create(api, "Été")
    again = await asyncio.gather(*(create(api, "Été") for _ in range(10)))
    others = [await create(api, name) for name in ("été", "Ète", "_t_")]

    assert set(again) == {first}
    assert len({first, *others}) == 4
    assert {folder["name"] for folder in (await contents(api, 0))["folders"]} == {"Été", "été", "Ète", "_t_"}


async def test_the_tree_is_the_one_of_the_other_apis(api: MediaLab) -> None:
    # 5.4.21
    gateway = api.gateway
    body = {"name": "clip.mp4", "contentType": "video/mp4", "size": 5, "folder": "by/path"}
    assert (await gateway.call("POST", "/v2/media/file", json=body)).status == 200
    number = await create(api, "by number")

    [by_path, by_number] = sorted((await contents(api, 0))["folders"], key=lambda folder: str(folder["name"]), reverse=True)
    assert (by_path["name"], by_number["name"]) == ("by number", "by")
    assert by_path["folder_id"] == number
    [below] = (await contents(api, by_number["folder_id"]))["folders"]
    assert (below["name"], below["parent_id"]) == ("path", by_number["folder_id"])
    assert (await contents(api, below["folder_id"]))["files"] == []  # json2video's files stay its own
    listed = await (await gateway.call("GET", "/v2/media/folder")).json()
    assert {folder["name"] for folder in listed["folders"]} >= {"by", "by_number"}


async def test_a_folder_with_files_is_not_deleted_by_another_api(api: MediaLab) -> None:
    number = await create(api, "kept")
    file_id = (await api.upload((await api.register(folder_id=number))["url_upload_direct"]))["file_id"]
    delete: dict[str, Any] = {"json": {"folder": "kept"}}

    assert (await api.gateway.call("DELETE", "/v2/media/folder", **delete)).status == 400
    await api.gateway.complete(file_id)
    await api.gateway.remove(file_id)
    assert (await api.gateway.call("DELETE", "/v2/media/folder", **delete)).status == 200
    await api.refused(await api.call("GET", f"/api/folders/{number}"), 404, "folder_not_found")


async def test_contents_come_in_pages(api: MediaLab) -> None:
    number = await create(api, "full")
    await create(api, "inner", number)
    registered = await api.register(folder_id=number, autofinish=0)
    await api.upload((await api.register())["url_upload_direct"])  # elsewhere
    sent = [(await api.upload(registered["url_upload_direct"], File(filename=f"{n}.txt")))["file_id"] for n in range(5)]

    first = await contents(api, number, "?limit=2")
    second = await contents(api, number, f"?limit=2&cursor={first['next_cursor']}")
    third = await contents(api, number, f"?limit=2&cursor={second['next_cursor']}")

    assert [file["file_id"] for page in (first, second, third) for file in page["files"]] == sent
    assert [len(page["folders"]) for page in (first, second, third)] == [1, 0, 0]
    assert third["next_cursor"] is None
    assert [file["title"] for file in (await contents(api, number))["files"]] == [f"{n}.txt" for n in range(5)]


async def test_temp_is_no_place_to_keep_files(api: MediaLab) -> None:
    # J-10: what lies in json2video's `temp` is deleted after a day
    number = await create(api, "temp")
    await api.upload((await api.register(folder_id=number))["url_upload_direct"])

    assert (await api.ok("GET", f"/api/folders/{number}"))["name"] == "temp"
    listed = await (await api.gateway.call("GET", "/v2/media/folder")).json()
    assert [folder["name"] for folder in listed["folders"]] == ["temp_2"]


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\nb", "\x7f", "a\u202eb", None, 5, ["a"]])
async def test_a_name_that_is_none_is_refused(api: MediaLab, name: object) -> None:
    await api.refused(await api.call("POST", "/api/folders/0", json={"name": name}), 400, "invalid_request")


async def test_folders_cannot_be_nested_without_end(api: MediaLab) -> None:
    first = await create(api, "x" * 255)
    second = await create(api, "x" * 255, first)

    await api.refused(await api.call("POST", f"/api/folders/{second}", json={"name": "xx"}), 400, "invalid_request")


async def test_a_folder_that_is_none_is_refused(api: MediaLab) -> None:
    mine = await create(api, "mine")
    _tenant, keys = await add_tenant(api.gateway.service)
    foreign = f"Private-Token {keys['admin']}"
    for number, token in (("999999999", ""), ("x", ""), ("-1", ""), ("%C2%B2", ""), ("9" * 30, ""), (str(mine), foreign)):
        for method, path in (("GET", ""), ("GET", "/contents"), ("POST", "")):
            options: dict[str, Any] = {"json": {"name": "x"}} if method == "POST" else {}
            response = await api.call(method, f"/api/folders/{number}{path}", token=token, **options)
            await api.refused(response, 404, "folder_not_found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=0b8e2d1e-3c58-4c1f-8b62-2f6f3a1d9f00"]
)
async def test_a_page_that_is_none_is_refused(api: MediaLab, query: str) -> None:
    await api.refused(await api.call("GET", f"/api/folders/0/contents?{query}"), 400, "invalid_request")
