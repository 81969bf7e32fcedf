"""Files that the platform fetches for the Uploadcare API (U-24 to U-31, U-44), on both stores.

What a fetch can meet is told here by the events of ingest; that ingest says so is in its own tests.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from contracts.events import FetchCompleted, FetchProgressed, FetchRequested, Stage, UploadExpired, UploadRegistered
from libs.egress.policy import Address
from libs.egress.url import UrlRefusal, check_host
from services.gateway.dialects.uploadcare import source_url
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.uploadcare import Request, Uploadcare, is_uuid, uploadcare_of
from tests.contract.dialects.uploadcare_codes import ROWS

SOURCE = "http://93.184.216.34/pictures/IMG-1.png?size=full"


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


async def fetching(api: Uploadcare, *fields: tuple[str, str], url: str = SOURCE) -> tuple[str, str]:
    """Token and file id."""
    body = await api.ok(api.from_url(url, *fields))
    assert body["type"] == "token" and is_uuid(body["token"])
    return body["token"], str((await api.registered()).upload_id)


async def fetched(api: Uploadcare, file_id: str, *, name: str | None = "IMG-1.png", size: int = 5) -> None:
    about = api.gateway.about(file_id)
    await api.gateway.handle(
        FetchCompleted(**about, version=Stage.REGISTERED, size_bytes=size, file_name=name, content_type="image/png")
    )
    await api.accepted(file_id, size)


async def test_a_url_is_a_token_and_a_fetch(api: Uploadcare) -> None:
    # U-24, U-30
    token, file_id = await fetching(api, ("metadata[pet]", "cat"), ("source", "url"))

    assert token != file_id
    [requested] = await api.gateway.emitted(FetchRequested)
    event = await api.registered(file_id)
    assert (requested.source_url, requested.staging_key) == (SOURCE, event.staging_key)
    assert (event.transfer, event.constraints.content_type, event.constraints.size_bytes) == ("fetched", None, None)
    assert requested.max_size_bytes == event.constraints.max_size_bytes == api.project.max_file_size_bytes
    await api.refused("U-E45", api.info(token))
    await api.refused("U-E45", api.info(file_id))


@pytest.mark.parametrize("url", [f" {SOURCE}\n", f"{SOURCE}&a=%2F%7e'b c", "http://93.184.216.34/my file.csv"])
async def test_a_pasted_url_is_kept_as_it_is_spelled(api: Uploadcare, url: str) -> None:
    # U-24
    await fetching(api, url=url)
    [requested] = await api.gateway.emitted(FetchRequested)
    assert requested.source_url == url.strip()


async def test_everything_may_stand_in_the_query(api: Uploadcare) -> None:
    # U-24, U-25, U-29: as the JavaScript client sends it
    query = [api.key(), ("source_url", SOURCE), ("store", "1"), ("metadata[pet]", "a cat"), ("filename", "a/\u202ephoto 1.png")]
    body = await api.ok(Request("/from_url/", query=query))
    event = await api.registered()
    assert (event.file_expires_at, event.file_name) == (None, "photo 1.png")
    await fetched(api, str(event.upload_id))
    status = await api.ok(api.status(body["token"]))
    assert (status["original_filename"], status["filename"]) == ("photo 1.png", "photo1.png")
    assert (status["metadata"], status["is_stored"]) == ({"pet": "a cat"}, True)


@pytest.mark.parametrize(
    ("store", "auto_store", "is_stored"), [("0", True, False), ("auto", True, True), ("auto", False, False)]
)
async def test_a_fetched_file_is_temporary_unless_it_is_stored(
    api: Uploadcare, store: str, auto_store: bool, is_stored: bool
) -> None:
    # U-25
    await api.change(auto_store=auto_store)
    await fetching(api, ("store", store))
    event = await api.registered()
    assert event.file_expires_at == (None if is_stored else event.registered_at + timedelta(hours=24))


async def test_a_fetch_goes_from_waiting_over_progress_to_success(api: Uploadcare) -> None:
    # U-31
    token, file_id = await fetching(api)
    assert await api.ok(api.status(token)) == {"status": "waiting", "done": 0, "total": "unknown"}

    about = api.gateway.about(file_id)
    for sequence, (done, total) in enumerate(((0, None), (3, None), (3, 5), (4, 5))):
        await api.gateway.handle(
            FetchProgressed(**about, version=Stage.REGISTERED, sequence=sequence, done_bytes=done, total_bytes=total)
        )
        status = await api.ok(api.status(token))
        assert status["status"] == "progress"
        assert status["total"] == "unknown" or isinstance(status["total"], int)
    assert status == {"status": "progress", "done": 4, "total": 5}

    await fetched(api, file_id)
    status = await api.ok(api.status(token))
    assert status == {"status": "success", **await api.ok(api.info(file_id))}
    assert (status["uuid"], status["original_filename"], status["filename"]) == (file_id, "IMG-1.png", "IMG1.png")
    assert (status["mime_type"], status["size"], status["is_ready"]) == ("image/png", 5, False)


async def test_a_token_that_nobody_has_is_unknown(api: Uploadcare) -> None:
    # U-31, part 2.4
    for token in (str(uuid4()), "test", "x" * 1000):
        assert await api.ok(api.status(token)) == {"status": "unknown"}
    await api.refused("U-E65", api.status(""))  # U-E65
    await api.refused("U-E65", Request("/from_url/status/", "GET"))


@pytest.mark.composed
async def test_a_file_that_is_gone_is_unknown(api: Uploadcare) -> None:
    # U-03, U-31
    token, file_id = await fetching(api)
    await fetched(api, file_id)
    api.gateway.clock.offset = timedelta(hours=25)
    assert await api.ok(api.status(token)) == {"status": "unknown"}
    await api.refused("U-E45", api.info(file_id))


FAILURES: list[tuple[str, str, str, tuple[object, ...]]] = [
    ("U-E31", "fetch_empty", "the source has no content", ()),  # U-E31
    ("U-E32", "fetch_client_error", "404 Not Found", ("404 Not Found",)),  # U-E32
    ("U-E33", "fetch_network_error", "no connection", ("no connection",)),  # U-E33
    ("U-E34", "fetch_server_error", "503 Service Unavailable", ("503 Service Unavailable",)),  # U-E34
    ("U-E35", "fetch_url_refused", "the host is malformed", ("the host is malformed",)),  # U-E35
    ("U-E36", "fetch_internal", "an internal problem", ()),  # U-E36
    ("U-E38", "fetch_too_large", "20 > 10", ("20", "10")),  # U-E38
    ("U-E40", "fetch_timeout", "1800", ("1800",)),  # U-E40
    ("U-E41", "fetch_type_forbidden", "text/html", ("Uploading of these file types is not allowed.",)),  # U-E41
    ("U-E87", "fetch_too_many_redirects", "more than 3 redirects", ()),  # U-E87
    ("U-E79", "infected", "Eicar-Signature", ("Eicar-Signature",)),  # U-E79
    ("U-E31", "size_mismatch", "Fetched 5 bytes, stored 4.", ()),
    ("U-E31", "fetch_too_large", "of another form", ()),
]


@pytest.mark.parametrize(("row", "code", "message", "words"), FAILURES)
async def test_a_failed_fetch_says_why(api: Uploadcare, row: str, code: str, message: str, words: tuple[object, ...]) -> None:
    # U-31, U-44, 5.4.16: in an answer of status 200, with and without jsonerrors
    token, file_id = await fetching(api)
    await api.rejected(file_id, code, message)
    await is_error(api, token, row, *words)


async def test_a_fetch_that_came_to_no_end_says_so(api: Uploadcare) -> None:
    # U-E37, U-E39
    for row in ("U-E39", "U-E37"):
        token, file_id = await fetching(api)
        about = api.gateway.about(file_id)
        if row == "U-E37":
            await api.gateway.handle(FetchCompleted(**about, version=Stage.REGISTERED, size_bytes=5))
        await api.gateway.handle(UploadExpired(**about, version=Stage.CLOSED))
        await is_error(api, token, row)


async def is_error(api: Uploadcare, token: str, row: str, *words: object) -> None:
    code, _, sentence = ROWS[row]
    for query in ((), (("jsonerrors", "1"),)):
        request = Request("/from_url/status/", "GET", query=[("token", token), *query])
        response = await api.send(request)
        assert response.status == 200
        assert await response.json() == {"status": "error", "error": sentence % words, "error_code": code}


URLS: list[tuple[str, str]] = [
    ("U-E82", "http://93.184.216.34:22/"),  # U-E82
    ("U-E83", "http://[::1"),  # U-E83
    ("U-E83", "http://exa mple.com/"),
    ("U-E83", "http://exa%20mple.com/"),
    ("U-E83", "http://-a-.example/"),
    ("U-E83", "http://example.com:99999/"),
    ("U-E84", "http://127.0.0.1/"),  # U-E84
    ("U-E84", "http://0x7f.1/"),
    ("U-E84", "http://2130706433/"),
    ("U-E84", "http://[::ffff:169.254.169.254]/latest/meta-data"),
    ("U-E84", "http://10.0.0.1:8080/"),
    ("U-E84", "http://localhost/"),
    ("U-E85", "http://"),  # U-E85
    ("U-E85", "http:///path"),
    ("U-E86", "http://example.com\\@127.0.0.1/"),  # U-E86
    ("U-E86", "http://example.com/a\tb"),
    ("U-E86", "http://example.com/\r\nHost: x"),
    ("U-E86", "http://example.com/" + "a" * 3000),
    ("U-E88", "ftp://example.com/a"),  # U-E88
    ("U-E88", "file:///etc/passwd"),
    ("U-E88", "javascript:alert(1)"),
    ("U-E89", "example.com/a.png"),  # U-E89
    ("U-E89", "//example.com/a.png"),
    ("U-E90", "http://user:password@example.com/"),  # U-E90
]


@pytest.mark.parametrize(("row", "url"), URLS)
async def test_what_is_wrong_with_a_url_is_said_at_once(api: Uploadcare, row: str, url: str) -> None:
    # U-24, U-44
    await api.refused(row, api.from_url(url))
    assert await api.gateway.emitted(UploadRegistered) == []


async def test_a_host_that_is_not_there_is_said_at_once(api: Uploadcare) -> None:
    # U-E81: a name that no one can have (RFC 6761)
    await api.refused("U-E81", api.from_url("http://nowhere.invalid/a.png"))


async def test_a_name_server_that_takes_its_time_does_not_make_a_host_unknown(
    api: Uploadcare, monkeypatch: pytest.MonkeyPatch
) -> None:
    # U-E81: others' slow names must not get a request refused
    async def hang(_name: str, _port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(source_url, "check_host", partial(check_host, resolve=hang, timeout_seconds=0.01))
    _, token = await fetching(api, url="http://slow.example.com/a.png")
    assert is_uuid(token)


async def test_a_source_is_required(api: Uploadcare) -> None:
    # U-E64
    await api.refused("U-E64", api.from_url(""))
    await api.refused("U-E64", Request("/from_url/", query=[api.key()]))


async def test_every_refusal_of_the_egress_guard_has_a_code() -> None:
    # U-44
    assert set(source_url.CODES) == set(get_args(UrlRefusal))
    assert set(source_url.CODES.values()) <= {code for code, _, _ in ROWS.values()}


async def test_an_installation_may_open_networks_of_its_own(make_gateway: Callable[..., Any]) -> None:
    # U-24
    api = await uploadcare_of(await make_gateway(egress_allow="127.0.0.0/8"))
    await fetching(api, url="http://127.0.0.1:8080/a.png")


async def test_a_source_that_is_remembered_is_not_fetched_again(api: Uploadcare) -> None:
    # U-26, U-27
    check, save = ("check_URL_duplicates", "1"), ("save_URL_duplicates", "1")
    for first in ((check,), (save,), (check, save)):
        url = f"{SOURCE}&{uuid4()}"
        _, file_id = await fetching(api, *first, url=url)
        await fetching(api, check, ("save_URL_duplicates", "0"), url=url)  # the first one is still on its way
        await fetched(api, file_id)

        known = await api.ok(api.from_url(url, check))
        assert known == {"type": "file_info", **await api.ok(api.info(file_id))}
        assert known["file_id"] == file_id
        assert UUID(str((await fetching(api, url=url))[1])) != UUID(file_id)


async def test_a_source_is_forgotten_where_nobody_asked_to_remember_it(api: Uploadcare) -> None:
    # U-26, U-27, U-28
    check = ("check_URL_duplicates", "1")
    for first in ((), (check, ("save_URL_duplicates", "0")), (("check_URL_duplicates", "0"),)):
        url = f"{SOURCE}&{uuid4()}"
        _, file_id = await fetching(api, *first, url=url)
        await fetched(api, file_id)
        await fetching(api, check, url=url)


async def test_memory_is_a_matter_of_each_project_and_ends_with_the_file(api: Uploadcare) -> None:
    # U-26
    check = ("check_URL_duplicates", "1")
    _, file_id = await fetching(api, check)
    await fetched(api, file_id)
    other = await uploadcare_of(api.gateway)
    await fetching(other, check)

    await api.gateway.remove(file_id)
    await fetching(api, check)


async def test_a_switch_is_0_or_1(api: Uploadcare) -> None:
    # U-E67
    for name in ("check_URL_duplicates", "save_URL_duplicates"):
        await api.refused("U-E67", api.from_url(SOURCE, (name, "yes")))


async def test_the_projects_types_are_for_fetched_files_too(api: Uploadcare) -> None:
    # U-45
    await api.change(allowed_types=("image/*",), forbidden_types=("image/gif",))
    await fetching(api)
    [requested] = await api.gateway.emitted(FetchRequested)
    assert (requested.allowed_types, requested.forbidden_types) == (("image/*",), ("image/gif",))
