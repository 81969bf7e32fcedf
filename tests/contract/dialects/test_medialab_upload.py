"""Files under an upload id of the MediaLab API, on both stores."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from yarl import URL

from contracts.events import UploadRegistered
from tests.contract.dialects.conftest import Gateway, add_tenant
from tests.contract.dialects.medialab import File, MediaLab, is_uuid, medialab_of, with_query
from tests.contract.dialects.proxy import PostgresProxy

MIB = 2**20


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


async def test_a_file_is_an_upload(api: MediaLab) -> None:
    # M-04, M-09, M-24
    registered = await api.register()
    file = File(b"\x00\xff" * 300_000, "Video Fïle.mp4", "video/mp4")

    body = await api.upload(registered["url_upload_direct"], file)

    [event] = await api.registered()
    assert is_uuid(body["file_id"])
    view = {"file_id": body["file_id"], "title": "Video Fïle.mp4", "folder_id": 0, "size": 600_000}
    assert body == {"status": "success", "file_id": str(event.upload_id), "files": [view]}
    assert (event.dialect, event.transfer, event.transcode, event.file_name) == ("medialab", "streamed", True, file.filename)
    assert (event.constraints.size_bytes, event.constraints.content_type) == (600_000, "video/mp4")
    assert event.file_expires_at is None
    assert await api.bytes_of(event.staging_key) == file.content
    assert event.object_key.endswith(".mp4")


@pytest.mark.parametrize("fields_first", [True, False])
async def test_the_form_says_folder_and_title_of_a_file(api: MediaLab, fields_first: bool) -> None:
    # M-24: the vendor's example names the file first
    folder = await api.ok("POST", "/api/folders/0", json={"name": "Clips"})
    registered = await api.register()
    fields = [("folder_id", str(folder["folder_id"])), ("title", "Ein Titel, den kein Dateisystem hält: /\\?")]

    body = await api.upload(registered["url_upload_direct"], fields=fields, fields_first=fields_first)

    [file] = body["files"]
    assert (file["title"], file["folder_id"]) == (fields[1][1], folder["folder_id"])


async def test_names_and_titles_keep_only_what_they_may(api: MediaLab) -> None:
    # M-24
    url = (await api.register(file_extensions="exe", autofinish=0))["url_upload_direct"]

    named = await api.upload(url, File(filename="photo\u202egpj.exe\u202c"))
    titled = await api.upload(url, File(filename="\u202e", field="a.exe"), fields=[("title", "A \u202etitle / more")])

    assert [event.file_name for event in await api.registered()] == ["photogpj.exe", "a.exe"]
    assert [body["files"][0]["title"] for body in (named, titled)] == ["photogpj.exe", "A title / more"]


async def test_the_folder_is_the_forms_or_the_urls_or_the_upload_ids(api: MediaLab) -> None:
    # M-24, part 2.1: sdk-php appends `&folder_id=` to the upload URL
    first, second, third = [
        (await api.ok("POST", "/api/folders/0", json={"name": name}))["folder_id"] for name in ("one", "two", "three")
    ]
    registered = await api.register(folder_id=first, autofinish="false")
    url = registered["url_upload_direct"]
    appended = f"{url}&folder_id={second}"

    found = [
        (await api.upload(url))["files"][0]["folder_id"],
        (await api.upload(appended))["files"][0]["folder_id"],
        (await api.upload(appended, fields=[("folder_id", str(third))]))["files"][0]["folder_id"],
        (await api.upload(appended, fields=[("folder_id", "0")]))["files"][0]["folder_id"],
    ]

    assert found == [first, second, third, 0]


@pytest.mark.parametrize("folder", ["999999999999", "x", "-1", "1e3", "9" * 40])
async def test_a_file_for_a_folder_that_is_none_is_refused(api: MediaLab, folder: str) -> None:
    url = (await api.register())["url_upload_direct"]

    await api.refused(await api.send(url, File(), fields=[("folder_id", folder)]), 404, "folder_not_found")
    await api.refused(await api.send(with_query(url, {"folder_id": folder}), File()), 404, "folder_not_found")
    assert await api.staged() == []
    await api.upload(url)  # nothing of it counted


async def test_several_files_may_come_in_one_form(api: MediaLab) -> None:
    # M-10, M-24
    folder = (await api.ok("POST", "/api/folders/0", json={"name": "f"}))["folder_id"]
    registered = await api.register()
    files = [File(name.encode(), name) for name in ("a.txt", "b.txt", "c.txt")]
    fields = [("title", "A"), ("title", "B"), ("title", "C"), ("folder_id", str(folder))]

    body = await api.upload(registered["url_upload_direct"], *files, fields=fields)

    assert [(file["title"], file["folder_id"]) for file in body["files"]] == [("A", folder), ("B", folder), ("C", folder)]
    assert body["file_id"] == body["files"][0]["file_id"]
    by_id = {str(event.upload_id): event for event in await api.registered()}
    for sent, told in zip(files, body["files"], strict=True):
        assert await api.bytes_of(by_id[told["file_id"]].staging_key) == sent.content
    assert (await api.finish(registered["ulid"]))["files"] == body["files"]


async def test_titles_must_fit_the_files(api: MediaLab) -> None:
    url = (await api.register())["url_upload_direct"]
    files = [File(), File(), File()]

    for fields in ([("title", "A"), ("title", "B")], [("folder_id", "0"), ("folder_id", "0")], [("title", "x" * 256)]):
        await api.refused(await api.send(url, *files, fields=fields), 400, "invalid_request")
    assert await api.staged() == []


async def test_an_upload_id_takes_files_one_after_the_other(api: MediaLab) -> None:
    # M-10, M-11: with autofinish 0 the id stays open
    registered = await api.register(autofinish=0)

    sent = [(await api.upload(registered["url_upload_direct"]))["file_id"] for _ in range(4)]

    assert [file["file_id"] for file in (await api.finish(registered["ulid"]))["files"]] == sent
    assert len(set(sent)) == 4


@pytest.mark.parametrize("autofinish", [1, True, "1", "true", None])
async def test_the_first_upload_finishes_the_id(api: MediaLab, autofinish: object) -> None:
    # M-19, 5.4.5
    registered = await api.register(autofinish=autofinish)
    await api.upload(registered["url_upload_direct"], File(), File())

    await api.refused(await api.send(registered["url_upload_direct"], File()), 409, "upload_id_finished")


@pytest.mark.parametrize("autofinish", [0, False, "0", "false"])
async def test_batches_stay_open(api: MediaLab, autofinish: object) -> None:
    # M-19, 5.4.5
    registered = await api.register(autofinish=autofinish)
    for _ in range(2):
        await api.upload(registered["url_upload_direct"])


@pytest.mark.parametrize("hides", [True, 1, "1", "true"])
async def test_the_answer_hides_what_the_finish_call_tells(api: MediaLab, hides: object) -> None:
    # M-18
    registered = await api.register(hide_response=hides)

    assert await api.upload(registered["url_upload_direct"]) == {"status": "success"}

    [event] = await api.registered()
    [file] = (await api.finish(registered["ulid"]))["files"]
    assert file["file_id"] == str(event.upload_id)


@pytest.mark.parametrize(("asked", "transcode"), [(True, False), ("1", False), (False, True), (None, True)])
async def test_no_transcode_goes_with_every_file(api: MediaLab, asked: object, transcode: bool) -> None:
    # M-17: the transcoder makes nothing of a file whose registration says so
    registered = await api.register(no_transcode=asked)
    await api.upload(registered["url_upload_direct"], File(), File())

    assert [event.transcode for event in await api.registered()] == [transcode] * 2


ALIASES: tuple[Callable[[Any, str], str], ...] = (
    lambda ulid, query: f"/api/file/{ulid}?{query}",
    lambda ulid, query: f"/api/direct/{ulid}?{query}",
    lambda _ulid, query: f"/upload/file?{query}",
    lambda _ulid, query: f"/upload/direct?{query}",
)


@pytest.mark.parametrize("address", ALIASES)
async def test_every_path_takes_a_signed_query(api: MediaLab, address: Callable[[Any, str], str]) -> None:
    # M-25, M-26, part 2.1: older paths
    registered = await api.register()
    query = URL(registered["url_upload_direct"], encoded=True).raw_query_string

    assert (await api.upload(address(registered["ulid"], query)))["status"] == "success"


@pytest.mark.parametrize("address", ALIASES)
async def test_every_path_takes_credentials_instead(api: MediaLab, address: Callable[[Any, str], str]) -> None:
    # M-25
    ulid = (await api.register())["ulid"]
    path = address(ulid, f"ulid={ulid}")

    await api.refused(await api.send(path, File()), 401, "invalid_token")
    assert (await api.upload(path, token=""))["status"] == "success"


async def test_no_file_goes_without_an_upload_id(api: MediaLab) -> None:
    # M-27
    registered = await api.register()
    query = URL(registered["url_upload_direct"], encoded=True).query
    unsigned = [("/upload/file", 404), ("/api/file/x", 404), ("/api/file/0b8e2d1e-3c58-4c1f-8b62-2f6f3a1d9f00", 401)]
    for path, status in unsigned:
        await api.refused(await api.send(path, File()), status, "upload_id_not_found" if status == 404 else "invalid_token")
        assert (await api.send(path, File(), token="")).status == 404
    other = (await api.register())["ulid"]
    for changed in (
        {"signature": "x"}, {"signature": "ü"}, {"signature": ""}, {"expires": str(int(query["expires"]) + 1)},
        {"expires": "x"}, {"expires": "9" * 30}, {"expires": ""}, {"ulid": other},
    ):  # fmt: skip
        forged = str(URL("/upload/file").with_query({**query, **changed}))
        await api.refused(await api.send(forged, File()), 403, "invalid_upload_url")
    moved = str(URL(f"/api/file/{other}").with_query(query))
    await api.refused(await api.send(moved, File()), 403, "invalid_upload_url")
    assert await api.staged() == []
    assert await api.registered() == []


async def test_credentials_of_another_tenant_open_nothing(api: MediaLab) -> None:
    ulid = (await api.register())["ulid"]
    _tenant, keys = await add_tenant(api.gateway.service)
    foreign = f"Private-Token {keys['admin']}"

    await api.refused(await api.send(f"/api/file/{ulid}", File(), token=foreign), 404, "upload_id_not_found")


async def test_a_form_without_a_file_is_refused(api: MediaLab) -> None:
    url = (await api.register())["url_upload_direct"]

    await api.refused(await api.send(url, fields=[("title", "x")]), 400, "file_required")
    response = await api.call(
        "POST", URL(url, encoded=True).raw_path_qs, token=None, data=b"bytes", headers={"Content-Type": "video/mp4"}
    )
    await api.refused(response, 415, "unsupported_media_type")
    response = await api.call("POST", URL(url, encoded=True).raw_path_qs, token=None)
    await api.refused(response, 400, "file_required")
    for body in (b"", b"--b", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx"):
        response = await api.call(
            "POST",
            URL(url, encoded=True).raw_path_qs,
            token=None,
            data=body,
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert response.status == 400
    assert await api.staged() == []


async def test_a_large_refused_body_is_heard_out(api: MediaLab) -> None:
    """Who is cut off while it still sends never hears why."""
    response = await api.send("/upload/file?ulid=x&signature=y", File(bytes(8 * MIB)))

    await api.refused(response, 404, "upload_id_not_found")
    assert await api.staged() == []


async def test_an_upload_survives_a_commit_whose_answer_was_lost(database_dsn: str, make_gateway: Callable[..., Any]) -> None:
    # M-14: it counts once
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    api = medialab_of(await make_gateway(postgres_dsn=proxy.dsn))
    registered = await api.register(max_files=2, autofinish=False)
    proxy.lose_answer_to = UploadRegistered.type.encode()

    body = await api.upload(registered["url_upload_direct"])

    assert proxy.lost == 1
    assert [str(event.upload_id) for event in await api.registered()] == [body["file_id"]]
    await api.upload(registered["url_upload_direct"])
    await api.refused(await api.send(registered["url_upload_direct"], File()), 409, "max_files_exceeded")
    await api.gateway.http.close()
    await api.gateway.service.outbox.database.close()
    await proxy.cut()


async def test_without_a_database_the_client_is_told_to_come_back(database_dsn: str, make_gateway: Callable[..., Any]) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    api = medialab_of(await make_gateway(postgres_dsn=proxy.dsn))
    url = (await api.register())["url_upload_direct"]
    await proxy.cut()

    response = await api.send(url, File())

    await api.refused(response, 503, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    await api.refused(await api.call("POST", "/api/upload/id"), 503, "temporarily_unavailable")


async def test_the_platforms_own_api_shows_the_file(api: MediaLab) -> None:
    registered = await api.register()
    file_id = (await api.upload(registered["url_upload_direct"]))["file_id"]
    await api.gateway.complete(UUID(file_id), size_bytes=5, content_type="text/plain")

    response = await api.gateway.call("GET", f"/platform/v1/uploads/{file_id}")

    body = await response.json()
    assert (response.status, body["dialect"], body["state"], body["file"]["url"]) == (200, "medialab", "COMPLETED", None)
    assert (await api.gateway.call("GET", f"/public/{file_id}.txt")).status == 404
