"""`POST /base/` of the Uploadcare API (U-06 to U-13, U-41, U-42), on both stores."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.events import UploadRegistered
from contracts.ids import UploadId, new_upload_id
from libs.object_store.port import StoreUnavailableError
from services.gateway.dialects.uploadcare import direct
from services.gateway.dialects.uploadcare.direct import MAX_FILES
from services.gateway.domain.project import ProjectStatus
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import MIB, PNG, File, Request, Uploadcare, is_uuid, uploadcare_of

MAX_FIELDS = 1000


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


async def test_a_form_with_a_key_and_a_file_is_an_upload(api: Uploadcare) -> None:
    # U-01, U-06, U-08, U-10, U-13
    body = await api.ok(api.direct(files=[File("my_file.jpg", PNG, "my_file.jpg", "image/jpeg")]))

    assert list(body) == ["my_file.jpg"]
    assert is_uuid(body["my_file.jpg"])
    event = await api.registered(body["my_file.jpg"])
    assert (event.dialect, event.transfer, event.transcode, event.file_name) == ("uploadcare", "streamed", False, "my_file.jpg")
    assert (event.constraints.size_bytes, event.constraints.content_type) == (len(PNG), "image/jpeg")
    assert await api.bytes_of(event.staging_key) == PNG


async def test_the_answers_key_is_the_fields_name_and_fields_may_follow_the_file(api: Uploadcare) -> None:
    # U-10, U-13: as the JavaScript client sends it
    request = api.direct(
        ("UPLOADCARE_STORE", "auto"), ("source", "local"), ("tags", "a,b"),
        files=[File("file", b"x", "../Ordner\\Grüße (1).txt")], files_first=True,
    )  # fmt: skip
    body = await api.ok(request)

    assert list(body) == ["file"]
    assert (await api.registered(body["file"])).file_name == "Grüße (1).txt"


async def test_several_files_are_several_uploads(api: Uploadcare) -> None:
    # U-10
    names = ["a.txt", "b.txt", "ü.txt"]
    body = await api.ok(api.direct(files=[File(name, name.encode(), name) for name in names]))

    assert list(body) == names
    assert len(set(body.values())) == 3
    for name, file_id in body.items():
        assert await api.bytes_of((await api.registered(file_id)).staging_key) == name.encode()


async def test_a_file_is_named_by_its_field_where_it_has_no_name(api: Uploadcare) -> None:
    # U-10
    body = await api.ok(api.direct(files=[File("photo.jpg", b"x", "..")]))

    assert (await api.registered(body["photo.jpg"])).file_name == "photo.jpg"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'name="file"; filename="caf\xe9.txt"', "café.txt"),
        (b'name="file"; filename="\xd6\xd0\xce\xc4.txt"', "ÖÐÎÄ.txt"),
        (b'name="file"; filename="cafe.txt"; filename*=windows-1252\'\'caf%E9.txt', "café.txt"),
        (b'name="file"; filename="a.txt"; filename*=', "a.txt"),
        (b'name="file"; filename="a.txt"; filename*=UTF-8\'\'%E9.txt', "a.txt"),
        ('name="file"; filename="photo\u202egpj.exe"'.encode(), "photogpj.exe"),
        (b"name=\"file\"; filename*=UTF-8''..%2Fphoto%E2%80%AEgpj.exe", "photogpj.exe"),
        (b'name="caf\xe9.txt"; filename=""', "café.txt"),
        ('name="\u202e.txt"; filename="\u202e"'.encode(), ".txt"),
        (b'name="file"; filename="' + b"x" * 300 + b'.jpeg"', "x" * 250 + ".jpeg"),
    ],
)
async def test_a_name_never_costs_the_upload_and_keeps_only_what_it_may(api: Uploadcare, disposition: bytes, name: str) -> None:
    # U-10
    key = f'--b\r\nContent-Disposition: form-data; name="UPLOADCARE_PUB_KEY"\r\n\r\n{api.project.public_key}\r\n--b\r\n'
    body = key.encode() + b"Content-Disposition: form-data; " + disposition + b"\r\n\r\nhello\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}

    [file_id] = (await api.ok(Request("/base/", body=body, headers=headers))).values()

    assert (await api.registered(file_id)).file_name == name


@pytest.mark.parametrize("store", ["0", "1", "auto", None])
@pytest.mark.parametrize("auto_store", [True, False])
async def test_a_file_is_temporary_unless_it_is_stored(api: Uploadcare, store: str | None, auto_store: bool) -> None:
    # U-03, U-04, U-09
    await api.change(auto_store=auto_store)
    fields = [] if store is None else [("UPLOADCARE_STORE", store)]
    if store == "1" and not auto_store:
        await api.refused("U-E04", api.direct(*fields))  # U-E04, U-39
        return
    file_id = await api.upload(*fields)

    event = await api.registered(file_id)
    is_stored = store == "1" or (store == "auto" and auto_store)
    expected = None if is_stored else event.registered_at + timedelta(hours=24)
    assert event.file_expires_at == expected
    assert (await api.ok(api.info(file_id)))["is_stored"] is is_stored


async def test_an_unknown_way_to_store_is_refused(api: Uploadcare) -> None:
    # U-E67, U-09
    await api.refused("U-E67", api.direct(("UPLOADCARE_STORE", "yes")))


async def test_a_file_must_be_smaller_than_100_mb(api: Uploadcare) -> None:
    # U-07, U-E14: binary megabytes (5.4.1)
    largest = bytes(100 * MIB - 1)
    file_id = await api.upload(content=largest)
    assert (await api.registered(file_id)).constraints.size_bytes == len(largest)

    response = await api.send(api.direct(files=[File(content=largest + b"x")], files_first=True))
    assert (response.status, (await response.json())["error"]["error_code"]) == (400, "FileSizeLimitExceededError")
    assert len(await api.gateway.staged()) == 1


async def test_a_file_beyond_the_projects_cap_is_refused(api: Uploadcare) -> None:
    # U-E14
    await api.change(max_file_size_bytes=4)
    await api.refused("U-E14", api.direct())
    assert await api.gateway.staged() == []


async def test_a_refused_request_leaves_nothing(api: Uploadcare) -> None:
    # U-08, U-E18
    wrong = Request("/base/", fields=[("UPLOADCARE_PUB_KEY", "wrong")], files=[File()], files_first=True)
    await api.refused("U-E18", wrong, "UPLOADCARE_PUB_KEY")
    in_query = Request("/base/", query=[("UPLOADCARE_PUB_KEY", "wrong")], files=[File(content=bytes(3 * MIB))])
    await api.refused("U-E18", in_query, "UPLOADCARE_PUB_KEY")

    assert await api.gateway.staged() == []
    assert await api.gateway.emitted(UploadRegistered) == []


@pytest.mark.parametrize("size", [5, MIB])
async def test_what_precedes_the_files_is_judged_before_they_are_stored(
    api: Uploadcare, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    # U-08, U-12: small bodies are read another way than large ones
    placed: list[UploadId] = []

    def noted() -> UploadId:
        placed.append(new_upload_id())
        return placed[-1]

    monkeypatch.setattr(direct, "new_upload_id", noted)
    large = File(content=bytes(size))
    wrong = Request("/base/", fields=[("UPLOADCARE_PUB_KEY", "wrong")], files=[large])
    await api.refused("U-E18", wrong, "UPLOADCARE_PUB_KEY")
    await api.change(signed_uploads=True)
    forged = [("signature", "0" * 64), ("expire", "4000000000")]
    await api.refused("U-E27", api.direct(*forged, files=[large]))
    await api.change(signed_uploads=False, status=ProjectStatus.BLOCKED)
    await api.refused("U-E01", api.direct(files=[large]))
    assert placed == []

    await api.change(status=ProjectStatus.ACTIVE)
    await api.ok(api.direct(files=[large]))
    assert len(placed) == 1


@pytest.mark.parametrize(("status", "code"), [(ProjectStatus.BLOCKED, "U-E01"), (ProjectStatus.REMOVED, "U-E19")])
async def test_a_project_that_is_closed_while_its_files_come_gets_none_of_them(
    api: Uploadcare, monkeypatch: pytest.MonkeyPatch, status: ProjectStatus, code: str
) -> None:
    # U-08
    write = api.gateway.store.write

    async def closes(key: str, content: Any, **about: Any) -> Any:
        await api.change(status=status)
        return await write(key, content, **about)

    monkeypatch.setattr(api.gateway.store, "write", closes)
    await api.refused(code, api.direct(files=[File()]), *([api.project.public_key] if status is ProjectStatus.REMOVED else []))

    assert await api.gateway.staged() == []
    assert await api.gateway.emitted(UploadRegistered) == []


async def test_a_request_that_names_two_projects_is_refused(api: Uploadcare) -> None:
    # U-08, U-E50
    both = api.direct(files=[File()], query=[("pub_key", "another")])
    await api.refused("U-E50", both)
    after = Request("/base/", query=[api.key()], fields=[("UPLOADCARE_PUB_KEY", "another")], files=[File()], files_first=True)
    await api.refused("U-E50", after)
    assert await api.gateway.staged() == []


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(api: Uploadcare) -> None:
    # U-06
    url = api.gateway.http.make_url("/")
    assert url.host and url.port
    for rest in (b"", b"x" * 200_000, b"x" * 20 * MIB):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        part = f'--b\r\nContent-Disposition: form-data; name="UPLOADCARE_PUB_KEY"\r\n\r\n{api.project.public_key}\r\n'
        part += '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        head = "POST /base/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        head += "Content-Length: 90000000\r\n\r\n"
        writer.write(head.encode() + part.encode() + rest)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        del reader
    await api.upload()
    async with asyncio.timeout(60):
        while len(await api.gateway.staged()) > 1 or await api.gateway.open_multiparts():
            await asyncio.sleep(0.05)
    assert len(await api.gateway.emitted(UploadRegistered)) == 1


async def test_a_store_that_fails_in_the_middle_leaves_nothing(api: Uploadcare, monkeypatch: pytest.MonkeyPatch) -> None:
    # U-06
    written = 0
    write = api.gateway.store.write

    async def fails_at_the_second(key: str, content: Any, **about: Any) -> Any:
        nonlocal written
        written += 1
        if written > 1:
            async for _chunk in content:
                raise StoreUnavailableError("gone")
        return await write(key, content, **about)

    monkeypatch.setattr(api.gateway.store, "write", fails_at_the_second)
    response = await api.send(api.direct(files=[File("a"), File("b"), File("c")]))

    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert await api.gateway.staged() == []
    assert await api.gateway.emitted(UploadRegistered) == []


async def test_a_request_without_files_is_refused(api: Uploadcare) -> None:
    # U-E48
    await api.refused("U-E48", api.direct(files=[]))
    await api.refused("U-E48", Request("/base/", query=[api.key()], body=b"junk"))
    await api.refused("U-E48", api.direct(("file", "text, and no file"), files=[]))


async def test_an_empty_file_is_refused(api: Uploadcare) -> None:
    # U-E46
    await api.refused("U-E46", api.direct(files=[File(content=b"")]))
    await api.refused("U-E46", api.direct(files=[File(), File("second", b"", "")]))
    assert await api.gateway.staged() == []


async def test_two_files_of_one_field_cannot_both_be_answered(api: Uploadcare) -> None:
    # U-E67
    await api.refused("U-E67", api.direct(files=[File(), File()]))


async def test_there_are_only_so_many_files(api: Uploadcare) -> None:
    # U-E47, U-41
    await api.refused("U-E47", api.direct(files=[File(f"f{n}") for n in range(MAX_FILES + 1)]))
    assert await api.gateway.staged() == []


async def test_there_are_only_so_many_fields(api: Uploadcare) -> None:
    # U-E21, U-41
    many = [(f"x{n}", "1") for n in range(MAX_FIELDS)]
    await api.refused("U-E21", api.direct(*many))
    await api.refused("U-E21", Request("/group/", fields=[api.key(), *many]))


async def test_a_request_has_only_so_many_bytes(api: Uploadcare) -> None:
    # U-E22, U-41
    await api.refused("U-E22", Request("/group/", fields=[api.key(), ("x", "a" * 2 * MIB)]))
    await api.refused("U-E22", api.direct(("x", "a" * MIB)))


async def test_a_body_that_is_no_form_is_refused(api: Uploadcare) -> None:
    # U-E17
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    for body in (
        b"",
        b"junk",
        b"--b\r\n\r\nx",
        part,
        part + b"content",
        b"--b\r\nContent-Disposition: attachment\r\n\r\n\r\n--b--",
    ):
        await api.refused("U-E17", Request("/base/", body=body, headers=form))
    await api.refused("U-E17", Request("/base/", body=part, headers={"Content-Type": "multipart/form-data"}))
    assert await api.gateway.staged() == []


async def test_the_client_may_choose_the_id_once(api: Uploadcare) -> None:
    # U-42, U-E70
    chosen = uuid4()
    for files_first in (True, False):
        wanted = str(chosen if files_first else uuid4()).upper()
        request = api.direct(("UPLOADCARE_FILE_ID", wanted), files_first=files_first)
        assert await api.ok(request) == {"file": wanted.lower()}
        event = await api.registered(wanted.lower())
        assert event.staging_key.startswith(f"staging/{wanted.lower()}/")
        assert await api.bytes_of(event.staging_key) == b"hello"

    await api.refused("U-E70", api.direct(("UPLOADCARE_FILE_ID", str(chosen))))
    assert len(await api.gateway.staged()) == 2


async def test_of_two_that_choose_one_id_at_the_same_time_one_gets_it(api: Uploadcare) -> None:
    # U-42, U-E70
    chosen = str(uuid4())
    bodies = [f"{n}".encode() for n in range(4)]
    requests = [api.direct(("UPLOADCARE_FILE_ID", chosen), files=[File(content=body)]) for body in bodies]
    responses = await asyncio.gather(*map(api.send, requests))

    assert sorted(response.status for response in responses) == [200, 400, 400, 400]
    [event] = await api.gateway.emitted(UploadRegistered)
    kept = next(body for body, response in zip(bodies, responses, strict=True) if response.status == 200)
    assert await api.bytes_of(event.staging_key) == kept
    assert await api.gateway.staged() == [event.staging_key]


async def test_a_chosen_id_is_a_uuid_of_one_file(api: Uploadcare) -> None:
    # U-42, U-E71, U-E72, U-E43
    await api.refused("U-E71", api.direct(("UPLOADCARE_FILE_ID", "me")))
    await api.refused("U-E72", api.direct(("UPLOADCARE_FILE_ID", "")))
    two = [File("a"), File("b")]
    await api.refused("U-E43", api.direct(("UPLOADCARE_FILE_ID", str(uuid4())), files=two))


async def test_a_browser_is_led_on_after_the_upload(api: Uploadcare) -> None:
    # U-42
    response = await api.send(api.direct(("UPLOADCARE_ACTION", "https://shop.example.com/done?order=7")))

    assert response.status == 303
    file_id = (await response.json())["file"]
    assert response.headers["Location"] == f"https://shop.example.com/done?order=7&file={file_id}"


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("https://shop.example.com/a%2Fb/%7E?c=%28'", "https://shop.example.com/a%2Fb/%7E?c=%28'&", ""),
        (" https://shop.example.com/my page#/done?x ", "https://shop.example.com/my%20page?", "#/done?x"),
        ("https://shop.example.com?", "https://shop.example.com/?&", ""),
    ],
)
async def test_a_browser_is_led_to_the_address_as_it_is_spelled(api: Uploadcare, action: str, before: str, after: str) -> None:
    # U-42
    response = await api.send(api.direct(("UPLOADCARE_ACTION", action)))

    file_id = (await response.json())["file"]
    assert response.headers["Location"] == f"{before}file={file_id}{after}"


async def test_where_a_browser_is_led_must_be_an_address_of_the_project(api: Uploadcare) -> None:
    # U-42, U-E68, U-E69, U-E49
    for action in (
        "javascript:alert(1)",
        "//shop.example.com",
        "/done",
        "https://",
        "https://a:b@shop.example.com",
        "http://[::1",
    ):
        await api.refused("U-E68", api.direct(("UPLOADCARE_ACTION", action)))
    await api.refused("U-E69", api.direct(("UPLOADCARE_ACTION", "")))
    await api.change(allowed_origins=("https://shop.example.com",))
    await api.refused("U-E49", api.direct(("UPLOADCARE_ACTION", "https://elsewhere.example.com/")))
    assert await api.gateway.staged() == []


async def test_types_are_judged_by_declaration_and_bytes(api: Uploadcare) -> None:
    # U-45, U-E80
    await api.change(allowed_types=("image/*",), forbidden_types=("image/gif",))
    for file in (
        File(content=PNG, content_type="text/plain"),
        File(content=b"MZ\x90\x00 not an image", content_type="image/png"),
        File(content=b"words", content_type="image/png"),
        File(content=b"GIF89a\x01\x00\x01\x00", content_type="image/png"),
        File(content=PNG, content_type="image/gif"),
        File(content=b"words", content_type="application/octet-stream"),
    ):
        await api.refused("U-E80", api.direct(files=[file]))
    assert await api.gateway.staged() == []

    for content_type in ("image/png", "application/octet-stream"):
        await api.upload(content=PNG, content_type=content_type)


async def test_what_the_bytes_do_not_tell_the_declaration_does(api: Uploadcare) -> None:
    # U-45
    await api.change(allowed_types=("text/csv",))
    await api.upload(content=b"a,b\n1,2\n", content_type="text/csv")
    await api.refused("U-E80", api.direct(files=[File(content=PNG, content_type="text/csv")]))
