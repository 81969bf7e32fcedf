"""Who may use the MediaLab API, and what web pages may do without credentials."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import ClientResponse
from structlog.testing import capture_logs
from yarl import URL

from services.gateway.auth import key_hash, new_api_key
from services.gateway.domain.role import Role
from tests.contract.dialects.conftest import Gateway
from tests.contract.dialects.medialab import File, MediaLab, medialab_of

ORIGIN = {"Origin": "https://www.customer.example"}
PATH = "/api/upload/id"


@pytest_asyncio.fixture
async def api(gateway: Gateway) -> MediaLab:
    return medialab_of(gateway)


async def test_levels_from_uploader_on_are_accepted(api: MediaLab) -> None:
    # M-01
    for role in Role:
        for token in (f"Bearer {api.access_token(role=role.name.lower())}", api.private_token(role.name.lower())):
            response = await api.call("POST", PATH, token=token)
            if role < Role.RENDER:
                await api.refused(response, 403, "access_denied")
            else:
                assert response.status == 200


async def test_a_bearer_token_needs_the_scope(api: MediaLab) -> None:
    # M-02
    for scope in ("upload", "basic upload manage"):
        assert (await api.call("POST", PATH, token=f"Bearer {api.access_token(scope=scope)}")).status == 200
    for scope in ("", "basic", "uploads", "basic,upload", "UPLOAD"):
        response = await api.call("POST", PATH, token=f"Bearer {api.access_token(scope=scope)}")
        await api.refused(response, 403, "insufficient_scope")


async def test_a_private_token_needs_no_scope(api: MediaLab) -> None:
    # M-03, M-22
    for scheme in ("Private-Token", "private-token", "PRIVATE-TOKEN"):
        assert (await api.call("POST", PATH, token=f"{scheme} {api.token}")).status == 200


async def test_both_schemes_do_everything(api: MediaLab) -> None:
    # M-22
    for token in (f"Private-Token {api.token}", f"Bearer {api.access_token()}", f"bearer {api.access_token()}"):
        registered = await (await api.call("POST", PATH, token=token)).json()
        await api.upload(f"/api/file/{registered['ulid']}", token=token)
        assert (await api.call("DELETE", f"{PATH}/{registered['ulid']}", token=token)).status == 200
        assert (await api.call("GET", "/api/folders/0", token=token)).status == 200


async def test_no_other_credentials_count(api: MediaLab) -> None:
    # M-22, 5.1.2, 5.2.2
    expired = api.access_token(exp=datetime.now(UTC) - timedelta(hours=1))
    api_key = new_api_key()
    await api.gateway.sql(
        "INSERT INTO api_keys (key_hash, tenant_id, role, name) VALUES ($1, $2, 'admin', 'x')",
        key_hash(api_key),
        api.gateway.tenant.id,
    )
    foreign = [api.access_token(**claim) for claim in ({"iss": "x"}, {"aud": "x"}, {"tenant": str(uuid4())}, {"exp": None})]
    tokens = (
        None, "Bearer", "Bearer ", "Bearer x", f"Bearer {api.token}", f"Bearer {expired}", f"Bearer {api.access_token()}x",
        "Private-Token", "Private-Token x", f"Private-Token {api.access_token()}", "Private-Token " + "x" * 5000,
        f"Basic {api.token}", api.token, f"Private-Token {api_key}", "Private-Token é",
        *(f"Bearer {token}" for token in foreign),
    )  # fmt: skip
    for token in tokens:
        for method, path in (
            ("POST", PATH),
            ("DELETE", f"{PATH}/{uuid4()}"),
            ("POST", "/api/upload/remote"),
            ("GET", "/api/folders/0"),
        ):
            response = await api.call(method, path, token=token, headers={"X-API-Key": api_key})
            await api.refused(response, 401, "invalid_token")
            assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_private_token_is_refused(api: MediaLab) -> None:
    await api.gateway.sql("UPDATE private_tokens SET revoked_at = now() WHERE tenant_id = $1", api.gateway.tenant.id)

    await api.refused(await api.call("POST", PATH), 401, "invalid_token")


async def test_the_token_is_judged_before_the_body(api: MediaLab) -> None:
    for headers in ({"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        response = await api.call("POST", PATH, token="Bearer x", data=b"{", headers=headers)
        await api.refused(response, 401, "invalid_token")
        await api.refused(await api.call("POST", PATH, token=None, data=b"{", headers=headers), 401, "invalid_token")


@pytest.mark.composed
async def test_an_access_token_may_be_a_parameter_and_is_never_logged(api: MediaLab) -> None:
    # M-22, 5.2.9, part 2.1: as GET or POST parameter
    token = api.access_token()
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    with capture_logs() as logs:
        answers: list[ClientResponse] = [
            await api.call("POST", f"{PATH}?access_token={token}", token=None),
            await api.call("POST", PATH, token=None, data=f"access_token={token}".encode(), headers=urlencoded),
            await api.call("POST", PATH, token=None, json={"access_token": token}),
            await api.call("POST", f"{PATH}?access_token={token}", token=None, data=b"{", headers=urlencoded),
            await api.call("GET", f"/api/folders/0?access_token={token}", token=None),
        ]
        ulid = (await answers[0].json())["ulid"]
        answers.append(await api.send(f"/api/file/{ulid}?access_token={token}", File()))
        answers.append(await api.call("DELETE", f"{PATH}/{ulid}?access_token={token}", token=None))

    assert [response.status for response in answers] == [200] * len(answers)
    assert any(entry["event"] == "http.request" for entry in logs)
    assert token not in str(logs)
    for wrong in (api.access_token(scope="basic"), "x", "", api.token):
        response = await api.call("POST", f"{PATH}?access_token={wrong}", token=None)
        assert response.status in (401, 403)
        response = await api.call("POST", PATH, token=None, json={"access_token": wrong})
        assert response.status in (401, 403)


async def test_the_header_counts_where_there_is_a_parameter_too(api: MediaLab) -> None:
    response = await api.call("POST", f"{PATH}?access_token={api.access_token()}", token="Bearer x")

    await api.refused(response, 401, "invalid_token")


async def test_a_web_page_may_upload_without_credentials(api: MediaLab) -> None:
    # M-28: the preflight, the upload, and a refusal that the page can read
    registered = await api.register()
    target = URL(registered["url_upload_direct"], encoded=True).raw_path_qs
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-requested-with, cache-control",
    }

    preflight = await api.call("OPTIONS", target, token=None, headers=asked)

    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"content-type", "x-requested-with", "cache-control", "authorization"} <= set(allowed)
    sent = await api.send(target, File(), headers=ORIGIN)
    assert (sent.status, sent.headers["Access-Control-Allow-Origin"]) == (200, "*")
    await api.refused(await api.send(target, File(), headers=ORIGIN), 409, "upload_id_finished")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/x", "/upload/file", "/upload/direct", "/api/upload/remote", "/api/folders/0"])
async def test_every_path_answers_preflights(api: MediaLab, path: str) -> None:
    # M-28
    assert (await api.call("OPTIONS", path, token=None, headers=ORIGIN)).status == 204


async def test_bad_input_is_never_a_fault_of_ours(api: MediaLab) -> None:
    bodies: tuple[bytes, ...] = (b"", b"\xff\xfe", b"{" * 5000, b"a=%ff", b"--x\r\n", b"&&&=", b"a" * 70_000, b'{"url": 1e999}')
    types = (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "x",
    )
    paths = [PATH, "/api/upload/remote", "/api/folders/0", "/api/folders/%F0%9F%98%80", "/upload/file", "/api/file/%FF"]
    queries = ("", "?folder_id=%00", "?a=%FF", "?ulid=%C3%A9&signature=%C3%A9&expires=1", "?access_token=%F0%9F%98%80")
    for path in paths:
        for query in queries:
            for body, kind in zip(bodies, (types * 2)[: len(bodies)], strict=True):
                response = await api.call("POST", URL(path + query, encoded=True), data=body, headers={"Content-Type": kind})
                found: Any = await response.json()
                assert response.status < 500, (path, query, kind, body[:50], found)
