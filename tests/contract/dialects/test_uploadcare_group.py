"""Groups of the Uploadcare API (U-33 to U-37), on both stores."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.contract.dialects.conftest import BASE_URL, Gateway
from tests.contract.dialects.uploadcare import Request, Uploadcare, uploadcare_of


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


async def test_a_group_is_files_in_their_order(api: Uploadcare) -> None:
    # U-33, U-36, U-37
    files = [await api.upload(filename=f"{n}.txt") for n in range(3)]
    group = await api.ok(api.group(*files))

    assert re.fullmatch(r"[0-9a-f-]{36}~3", group["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", group["datetime_created"])
    assert (group["datetime_stored"], group["files_count"]) == (None, 3)
    assert group["cdn_url"] == f"{BASE_URL}/{group['id']}/"
    assert group["url"] == f"{BASE_URL}/groups/{group['id']}/"
    assert group["files"] == [{**await api.ok(api.info(file)), "default_effects": ""} for file in files]
    assert await api.ok(api.group_info(group["id"])) == group
    encoded = Request(f"/group/info/?group_id={group['id'].replace('~', '%7E')}", "GET", query=[api.key()])
    assert (await api.ok(encoded))["id"] == group["id"]


async def test_files_come_by_number_or_without(api: Uploadcare) -> None:
    # U-33: pyuploadcare numbers them, the JavaScript client does not
    files = [await api.upload() for _ in range(12)]
    shuffled = [(f"files[{n}]", files[n]) for n in (10, 2, 11, 0, 1, 3, 9, 4, 5, 8, 7, 6)]
    group = await api.ok(Request("/group/", fields=[api.key(), *shuffled]))
    assert [file["uuid"] for file in group["files"]] == files

    group = await api.ok(Request("/group//", fields=[api.key(), *(("files[]", file) for file in files)]))
    assert [file["uuid"] for file in group["files"]] == files


async def test_a_file_may_be_a_cdn_url_with_operations(api: Uploadcare) -> None:
    # U-33
    file = await api.upload()
    forms = {
        file: "",
        file.upper(): "",
        f"{file}/": "",
        f"/{file}/photo.jpg": "",
        f"https://ucarecdn.com/{file}/": "",
        f"http://cdn.example.com:8080/{file}/-/preview/": "preview/",
        f"{file}/-/resize/x800/": "resize/x800/",
        f"{file}/-/resize/x800": "resize/x800/",
        f"{file}/-/resize/x800/-/crop/10x10/center/": "resize/x800/-/crop/10x10/center/",
        f"https://ucarecdn.com/{file}/-/blur/50/?a=b": "blur/50/",
    }
    group = await api.ok(api.group(*forms))
    assert [(member["uuid"], member["default_effects"]) for member in group["files"]] == [(file, e) for e in forms.values()]


async def test_what_is_no_file_url_is_named(api: Uploadcare) -> None:
    # U-E73
    file = await api.upload()
    for url in ("", "me", "https://ucarecdn.com/", f"ftp://ucarecdn.com/{file}/", f"https:///{file}/", f"{file}/a/b/",
                f"{file}/-/<script>/", f"{file}x", "http://[::1", f"{file}/-/" + "a" * 1001):  # fmt: skip
        await api.refused("U-E73", api.group(file, url), url[:200])


async def test_a_group_needs_files(api: Uploadcare) -> None:
    # U-E74
    await api.refused("U-E74", api.group())
    await api.refused("U-E74", Request("/group/", fields=[api.key(), ("files[x]", str(uuid4())), ("files[0][1]", "x")]))


async def test_files_of_a_group_are_the_projects_own_and_there(api: Uploadcare) -> None:
    # U-34, U-E75
    file, other = await api.upload(), await uploadcare_of(api.gateway)
    rejected, started = await api.upload(), (await api.ok(api.start()))["uuid"]
    await api.rejected(rejected, "infected", "Eicar")
    for missing in (str(uuid4()), await other.upload(), rejected, started):
        await api.refused("U-E75", api.group(file, missing))
    await api.gateway.remove(file)
    await api.refused("U-E75", api.group(file))


async def test_two_files_for_one_place_are_a_contradiction(api: Uploadcare) -> None:
    # U-E78
    fields = [api.key(), ("files[0]", await api.upload()), ("files[0]", await api.upload())]
    await api.refused("U-E78", Request("/group/", fields=fields))


async def test_a_group_is_asked_for_by_its_id(api: Uploadcare) -> None:
    # U-37, U-E76, U-E77
    await api.refused("U-E76", api.group_info(""))
    await api.refused("U-E76", Request("/group/info/", "GET", query=[api.key()]))
    group = (await api.ok(api.group(await api.upload())))["id"]
    uuid = group.partition("~")[0]
    for group_id in (
        "me",
        uuid,
        f"{uuid}~",
        f"{uuid}~0",
        f"{uuid}~2",
        f"{uuid}~01",
        f"{uuid}~1~1",
        f"{uuid4()}~1",
        "x" * 36 + "~1",
    ):
        await api.refused("U-E77", api.group_info(group_id))
    other = await uploadcare_of(api.gateway)
    await other.refused("U-E77", other.group_info(group))


@pytest.mark.composed
async def test_a_file_that_is_gone_leaves_its_place_empty(api: Uploadcare) -> None:
    # U-35, part 2.4: a group never changes
    files = [await api.upload(("UPLOADCARE_STORE", "1")), await api.upload(), await api.upload(("UPLOADCARE_STORE", "1"))]
    group = await api.ok(api.group(*files))
    await api.gateway.remove(files[0])
    api.gateway.clock.offset = timedelta(hours=25)

    shown = await api.ok(api.group_info(group["id"]))
    assert [file and file["uuid"] for file in shown["files"]] == [None, None, files[2]]
    assert (shown["id"], shown["files_count"]) == (group["id"], 3)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_group_cannot_be_changed(api: Uploadcare, method: str) -> None:
    # U-35
    group = await api.ok(api.group(await api.upload()))
    response = await api.send(Request("/group/", method, query=[api.key(), ("group_id", group["id"])]))
    assert response.status == 405
