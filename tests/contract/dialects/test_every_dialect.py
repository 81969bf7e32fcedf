"""What every API of the gateway does alike, each in its own words. One suite, run against each dialect."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientResponse

from contracts.events import UploadRegistered
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.faces import FACES, TRACE_ID, Face
from tests.contract.dialects.proxy import PostgresProxy

JSON = {"Content-Type": "application/json"}

MALFORMED = (
    b"", b"{", b"}", b"[]", b"null", b"true", b"5", b'"text"', b"{'a': 1}", b'{"a": 1,}', b'{"a": NaN}', b'{"a": Infinity}',
    b'{"a": 1} trailing', b"\xff\xfe\x00", b'{"a": "\xc3\x28"}', b"\xef\xbb\xbf{}", b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", b'{"a":' * 3000,
    b'{"a": 1' + b"0" * 6000 + b"}", b'{"size": ' + b"9" * 6000 + b', "owner": 5}', b'{"a": 1e999}', b'{"a": --1}',
    b"<xml/>", b"a=1&b=2",
)  # fmt: skip

pytestmark = pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)


async def call(
    face: Face, gateway: Gateway, *, role: str | None = "admin", headers: dict[str, str] | None = None, **options: Any
) -> ClientResponse:
    """The face's POST, by a holder of this role or with these headers alone."""
    credentials = face.credentials(gateway.keys[role]) if role else {}
    return await gateway.call("POST", face.path, role=None, headers={**credentials, **(headers or {})}, **options)


async def refused(face: Face, response: ClientResponse, status: int) -> str:
    """The error's message; its body has the API's shape and no trace of our insides."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/json"
    assert "Traceback" not in text
    assert TRACE_ID.fullmatch(response.headers["X-Request-Id"])
    return face.message(await response.json(), status)


async def test_a_valid_request_registers_one_upload(face: Face, gateway: Gateway) -> None:
    response = await call(face, gateway, json=face.body(gateway))

    assert response.status == 200
    [event] = await gateway.emitted(UploadRegistered)
    assert (event.dialect, event.tenant_id) == (face.name, gateway.tenant.id)


async def test_a_missing_or_wrong_key_is_refused(face: Face, gateway: Gateway) -> None:
    # E-19, 5.2.6
    for key in (None, "", "lsk_wrong", "x" * 5000, "schlüssel"):
        headers = {} if key is None else face.credentials(key)
        response = await call(face, gateway, role=None, headers=headers, json=face.body(gateway))

        assert await refused(face, response, face.refusal["key"]) == face.unknown


async def test_the_key_is_judged_before_the_body(face: Face, gateway: Gateway) -> None:
    response = await call(face, gateway, role=None, data=b"{", headers=JSON)

    await refused(face, response, face.refusal["key"])


async def test_a_revoked_key_is_refused(face: Face, gateway: Gateway) -> None:
    for kind in ("api_keys", "private_tokens"):
        await gateway.sql(f"UPDATE {kind} SET revoked_at = now() WHERE tenant_id = $1", gateway.tenant.id)

    response = await call(face, gateway, json=face.body(gateway))

    await refused(face, response, face.refusal["key"])


async def test_all_but_the_lowest_role_may_upload(face: Face, gateway: Gateway) -> None:
    # J-04
    for role in ("render", "editor", "manager", "admin"):
        body = face.body(gateway)
        if face.text_field == "name":
            body["name"] = f"{role}.mp4"
        assert (await call(face, gateway, role=role, json=body)).status == 200


async def test_a_role_below_render_may_not_upload(face: Face, gateway: Gateway) -> None:
    # J-21
    response = await call(face, gateway, role="viewer", json=face.body(gateway))

    assert await refused(face, response, face.refusal["role"]) == "Insufficient permissions"


async def test_a_malformed_body_is_refused(face: Face, gateway: Gateway) -> None:
    # E-18
    for body in MALFORMED:
        response = await call(face, gateway, data=body, headers=JSON)

        await refused(face, response, 400)


async def test_text_that_no_database_can_hold_is_refused(face: Face, gateway: Gateway) -> None:
    for text in ("a\0b", "\0", "\ud800"):
        response = await call(face, gateway, json={**face.body(gateway), face.text_field: text})

        await refused(face, response, 400)


async def test_an_unknown_field_is_refused_by_name(face: Face, gateway: Gateway) -> None:
    response = await call(face, gateway, json={**face.body(gateway), "surprise": 1})

    assert "surprise" in await refused(face, response, 400)


async def test_a_required_field_of_a_wrong_type_is_refused(face: Face, gateway: Gateway) -> None:
    values: tuple[object, ...] = (None, 5, True, [], {}, ["x"], "")
    for value in values:
        response = await call(face, gateway, json={**face.body(gateway), face.text_field: value})

        assert face.text_field in await refused(face, response, 400)


async def test_a_missing_required_field_is_refused(face: Face, gateway: Gateway) -> None:
    body = face.body(gateway)
    del body[face.text_field]

    response = await call(face, gateway, json=body)

    assert await refused(face, response, 400) == f"{face.text_field} is required"


async def test_another_content_type_is_refused(face: Face, gateway: Gateway) -> None:
    # J-05
    forms = () if face.takes_forms else ("text/plain", "application/x-www-form-urlencoded", "")
    for content_type in ("application/json; charset=latin1", *forms):
        response = await call(face, gateway, data=b"{}", headers={"Content-Type": content_type})

        assert await refused(face, response, 415) == "Content-Type must be application/json."


async def test_a_compressed_body_is_refused(face: Face, gateway: Gateway) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}

    await refused(face, await call(face, gateway, data=b"{}", headers=headers), 415)


async def test_a_body_over_64_kib_is_refused(face: Face, gateway: Gateway) -> None:
    body = {**face.body(gateway), face.text_field: "x" * 65536}

    await refused(face, await call(face, gateway, json=body), 413)


async def test_a_wrong_method_is_refused_and_told_the_right_ones(face: Face, gateway: Gateway) -> None:
    for method in ("PATCH", "PROPFIND") if face.answers_preflights else ("PATCH", "OPTIONS", "PROPFIND"):
        response = await gateway.call(method, face.path)

        await refused(face, response, 405)
        assert set(face.methods) == set(response.headers["Allow"].split(", "))


async def test_an_address_that_no_api_knows_is_a_problem_document(face: Face, gateway: Gateway) -> None:
    # 5.1.3
    for suffix in ("s", "/x/y/z", "%20"):
        response = await gateway.call("POST", face.path + suffix)

        assert response.status == 404
        assert response.content_type == "application/problem+json"


async def test_a_fault_is_an_error_of_the_api_that_tells_nothing(face: Face, gateway: Gateway) -> None:
    # E-20
    async with gateway.broken():
        response = await call(face, gateway, json=face.body(gateway))

    assert await refused(face, response, 500) == "Unexpected server error"
    assert "uploads" not in await response.text()


async def test_without_a_database_the_client_is_told_to_come_back(
    face: Face, database_dsn: str, make_gateway: Callable[..., Any]
) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    gateway: Gateway = await make_gateway(postgres_dsn=proxy.dsn)
    await proxy.cut()

    response = await call(face, gateway, json=face.body(gateway))

    await refused(face, response, 503)
    assert int(response.headers["Retry-After"]) > 0


async def test_a_registration_survives_a_commit_whose_answer_was_lost(
    face: Face, database_dsn: str, make_gateway: Callable[..., Any]
) -> None:
    proxy = PostgresProxy(database_dsn)
    await proxy.start()
    gateway: Gateway = await make_gateway(postgres_dsn=proxy.dsn)
    proxy.lose_answer_to = UploadRegistered.type.encode()

    response = await call(face, gateway, json=face.body(gateway))

    assert response.status == 200, await response.text()
    assert proxy.lost == 1
    assert len(await gateway.emitted(UploadRegistered)) == 1
    await gateway.http.close()
    await gateway.service.outbox.database.close()
    await proxy.cut()
