"""How the Uploadcare API says no, and that it never says it by accident (U-01, U-02, U-38, U-46), on both stores."""

import asyncio
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import pyuploadcare
from aiohttp import FormData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyuploadcare.exceptions import AuthenticationError, InvalidRequestError
from yarl import URL

from contracts.events import UploadRegistered
from services.gateway.dialects.uploadcare.catalogue import PUBLISHED
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.proxy import PostgresProxy
from tests.contract.dialects.uploadcare import File, Request, Uploadcare, uploadcare_of
from tests.contract.dialects.uploadcare_codes import ROWS

POST = ("base", "multipart/start", "multipart/complete", "from_url", "group")
GET = ("from_url/status", "info", "group/info")


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> Uploadcare:
    return await uploadcare_of(gateway)


def test_the_catalogue_is_the_published_one() -> None:
    # U-38
    assert {code: (status, sentence) for code, status, sentence in ROWS.values()} == dict(PUBLISHED)
    assert len(PUBLISHED) == 90


async def test_a_wrong_method_is_told_with_the_path(api: Uploadcare) -> None:
    # U-46, U-E15
    for paths, methods in ((POST, ("GET", "PUT", "PATCH", "DELETE", "PROPFIND")), (GET, ("POST", "PUT", "DELETE"))):
        for path in paths:
            for method in methods:
                request = Request(f"/{path}/", method)
                await api.refused("U-E15", request, method, f"/{path}/")
                assert (await api.send(request)).headers["Allow"] == (
                    "OPTIONS, POST" if paths is POST else "GET, HEAD, OPTIONS"
                )


async def test_a_path_may_be_spelled_with_more_or_fewer_slashes(api: Uploadcare) -> None:
    # U-01, 5.1.4: and never answered with a redirect
    base = str(api.gateway.http.make_url("/")).rstrip("/")
    for path in (*POST, *GET):
        method = "POST" if path in POST else "GET"
        for spelled in (f"/{path}/", f"/{path}", f"//{path}//", f"/{path.replace('/', '//')}//"):
            response = await api.gateway.http.session.request(method, base + spelled, allow_redirects=False)
            code = (await response.json())["error"]["error_code"]
            assert code in ("ProjectPublicKeyRequiredError", "TokenRequiredError"), spelled
    for path in ("/bases/", "/group/info/x/", "/x/base/", "/multipart/", "/from_url/stat/"):
        assert (await api.gateway.http.get(path)).status == 404


async def test_browsers_may_ask_before_every_call(api: Uploadcare) -> None:
    # part 2.4: CORS
    base = str(api.gateway.http.make_url("/")).rstrip("/")
    for path in (*POST, *GET):
        for spelled in (f"/{path}/", f"/{path}", f"//{path}//"):
            headers = {"Origin": "https://page.example.com", "Access-Control-Request-Method": "POST"}
            response = await api.gateway.http.session.options(base + spelled, headers=headers)
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            allowed = {name.strip() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
            assert allowed >= {"X-UC-User-Agent", "X-PINGOTHER", "DNT", "Content-Type", "Authorization"}
            assert {"GET", "POST"} <= {name.strip() for name in response.headers["Access-Control-Allow-Methods"].split(",")}


async def test_what_has_no_name_is_told_by_the_kind_of_call(api: Uploadcare) -> None:
    # U-E05, U-E67, U-E78
    compressed = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    for path in ("base", "multipart/start", "multipart/complete", "from_url"):
        await api.refused("U-E67", Request(f"/{path}/", body=b"\x1f\x8b", headers=compressed))
    await api.refused("U-E78", Request("/group/", body=b"\x1f\x8b", headers=compressed))
    await api.refused("U-E78", Request("/group/info/", "GET", headers={"Content-Encoding": "gzip"}))
    for path in ("from_url/status", "info"):
        await api.refused("U-E05", Request(f"/{path}/", "GET", headers={"Content-Encoding": "gzip"}))


async def test_a_fault_tells_nothing(api: Uploadcare) -> None:
    # U-E29
    async with api.gateway.broken():
        await api.refused("U-E29", api.start())


async def test_without_a_database_clients_are_told_to_come_back(database_dsn: str, make_gateway: Callable[..., Any]) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    api = await uploadcare_of(await make_gateway(postgres_dsn=proxy.dsn))
    await proxy.cut()

    await api.refused_with(api.direct(), 503, "UploadAPIError", "Internal error.")
    assert int((await api.send(api.direct())).headers["Retry-After"]) > 0
    assert await api.gateway.staged() == []


async def test_a_registration_survives_a_commit_whose_answer_was_lost(
    database_dsn: str, make_gateway: Callable[..., Any]
) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    api = await uploadcare_of(await make_gateway(postgres_dsn=proxy.dsn))
    proxy.lose_answer_to = UploadRegistered.type.encode()

    file_id = await api.upload()

    assert proxy.lost == 1
    assert [str(event.upload_id) for event in await api.gateway.emitted(UploadRegistered)] == [file_id]
    await api.gateway.http.close()
    await api.gateway.service.outbox.database.close()
    await proxy.cut()


async def test_the_vendors_python_client_raises_what_it_should(api: Uploadcare, tmp_path: Path) -> None:
    # U-38: it takes the text of an answer for the message

    def client(public_key: str) -> pyuploadcare.Uploadcare:
        url = str(api.gateway.http.make_url("/"))
        return pyuploadcare.Uploadcare(public_key=public_key, secret_key="x", signed_uploads=False, upload_base=url)

    async def fails(error: type[Exception], call: Callable[[], object]) -> str:
        with pytest.raises(error) as caught:
            await asyncio.to_thread(call)
        return str(caught.value)

    good, bad = client(api.project.public_key), client("nobody")
    source = "http://127.0.0.1/"
    assert "pub_key is invalid." in await fails(AuthenticationError, lambda: bad.upload_from_url(source))
    assert "Only public IPs are allowed." in await fails(InvalidRequestError, lambda: good.upload_from_url(source))
    empty = tmp_path / "empty.txt"
    empty.touch()
    with empty.open("rb") as file:
        assert "There should be a file." in await fails(InvalidRequestError, lambda: good.upload(file))
    for made in (good, bad):
        for connection in (made.upload_client, made.rest_client, made.cdn_client):
            connection.close()


async def test_the_document_has_every_route_with_its_form(api: Uploadcare) -> None:
    # U-02
    document = await (await api.gateway.http.get("/openapi.json")).json()
    for path in POST:
        body = document["paths"][f"/{path}/"]["post"]["requestBody"]["content"]
        assert "multipart/form-data" in body
        assert path == "base" or "application/x-www-form-urlencoded" in body
    for path in GET:
        assert "get" in document["paths"][f"/{path}/"]
    assert document["components"]["schemas"]["FileInfo"]["required"]


NAMES = st.sampled_from(
    ["pub_key", "UPLOADCARE_PUB_KEY", "UPLOADCARE_STORE", "store", "signature", "expire", "metadata[a]", "metadata[", "size",
     "filename", "part_size", "content_type", "uuid", "source_url", "check_URL_duplicates", "save_URL_duplicates", "token",
     "file_id",
     "group_id", "files[0]", "files[]", "files[99999999999]", "UPLOADCARE_FILE_ID", "UPLOADCARE_ACTION", "jsonerrors", "x"]
)  # fmt: skip
TEXT = st.text(max_size=40)
VALUES = st.one_of(
    TEXT,
    st.integers().map(str),
    st.just(str(uuid4())),
    st.sampled_from(["0", "1", "auto", "http://[::1]:1/", "é~1", "-0", "1e9"]),
)
FIELDS = st.lists(st.tuples(st.one_of(NAMES, NAMES, TEXT), VALUES), max_size=12)


async def test_no_input_is_a_fault(api: Uploadcare) -> None:
    # U-38, U-40: whatever stands in the query, the form or the file's name
    loop = asyncio.get_running_loop()
    key = api.key()

    def property_of_all_inputs() -> None:
        @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(path=st.sampled_from([*POST, *GET]), query=FIELDS, fields=FIELDS, as_form=st.booleans(), has_key=st.booleans())
        def answered(
            path: str, query: list[tuple[str, str]], fields: list[tuple[str, str]], as_form: bool, has_key: bool
        ) -> None:
            future = asyncio.run_coroutine_threadsafe(call(path, [key, *query] if has_key else query, fields, as_form), loop)
            status, body = future.result(30)
            assert status < 500, (path, query, fields, body)
            assert "Traceback" not in body

        answered()

    async def call(path: str, query: list[tuple[str, str]], fields: list[tuple[str, str]], as_form: bool) -> tuple[int, str]:
        method = "POST" if path in POST else "GET"
        data: Any = None
        if method == "POST":
            data = FormData(quote_fields=False, default_to_multipart=as_form)
            for name, value in fields:
                printable = "".join(c for c in name if c.isprintable()) or "n"  # the client writes no others
                data.add_field(printable, value)
            if as_form and path == "base":
                data.add_field("file", b"x" * 10, filename=fields[0][1] if fields and fields[0][1].isprintable() else "f")
        async with api.gateway.http.request(
            method, f"/{path}/", params=_encodable(query), data=data, allow_redirects=False
        ) as response:
            return response.status, await response.text()

    await asyncio.to_thread(property_of_all_inputs)


def _encodable(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in fields]


BAD_QUERIES = (
    "%ff",
    "pub_key=%ff%fe",
    "pub_key=%00",
    "%00=1",
    "pub_key=%zz",
    "&&&===",
    "a" * 7000,
    "x=%ed%a0%80",
)


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:20])
async def test_bytes_that_are_no_text_are_refused(api: Uploadcare, query: str) -> None:
    # U-E16, U-E17
    for path in (*POST, *GET):
        method = "POST" if path in POST else "GET"
        response = await api.gateway.http.request(method, URL(f"/{path}/?{query}", encoded=True), allow_redirects=False)
        assert response.status in (400, 403, 413), await response.text()
        assert set((await response.json())["error"]) == {"status_code", "content", "error_code"}


@pytest.mark.parametrize(
    "name", ["\ud800", string.printable[:94], "\u202egnp.exe", "a" * 1000, "../../etc/passwd", "nul\u0001"]
)
async def test_any_name_of_a_file_is_taken_as_text(api: Uploadcare, name: str) -> None:
    # U-10
    printable = name.encode("utf-8", "replace").decode()
    if not printable.isprintable():
        printable = "".join(c for c in printable if c.isprintable())
    file_id = await api.upload(filename=printable)
    info = await api.ok(api.info(file_id))
    assert "/" not in info["original_filename"]
    assert set(info["filename"]) <= {*string.ascii_letters, *string.digits, "_", "."}


async def test_a_file_given_as_a_field_is_no_file(api: Uploadcare) -> None:
    # U-E48
    assert File().field == "file"
    await api.refused("U-E48", Request("/base/", fields=[api.key(), ("file", "x")]))
