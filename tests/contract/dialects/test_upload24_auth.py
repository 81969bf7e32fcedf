"""Upload24: who may do what."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from services.gateway.auth import key_hash
from tests.contract.dialects.conftest import Gateway, add_tenant
from tests.contract.dialects.upload24 import Upload24, refused

UPLOAD_ROUTES = (
    ("POST", "/api/upload"), ("POST", "/api/upload/presign-put"), ("POST", "/api/upload/multipart"),
    ("POST", "/api/upload/multipart/resume"), ("POST", "/api/upload/complete"), ("POST", "/api/upload/abort"),
    ("GET", f"/api/upload/{uuid4()}/status"),
)  # fmt: skip
DASHBOARD_ROUTES = (("POST", "/api-keys/generate"), ("GET", "/uploads"))


@pytest.fixture
def api(gateway: Gateway) -> Upload24:
    return Upload24(gateway)


async def test_a_dashboard_generates_a_key_that_uploads(api: Upload24) -> None:
    # T-01, T-02, T-06, T-29
    made = await api.post("/api-keys/generate", {"name": "CI uploads"}, 201, auth="bearer")

    assert made["name"] == "CI uploads"
    headers = {"X-Api-Key": made["apiKey"]}
    session = await api.post("/api/upload/presign-put", api.body(), auth="none", headers=headers)
    assert session["sessionToken"]
    assert made["apiKey"] not in str(await api.get("/uploads", auth="bearer"))


async def test_the_key_is_stored_hashed_and_with_the_least_role_that_uploads(api: Upload24) -> None:
    # T-02
    made = await api.post("/api-keys/generate", {}, 201, auth="bearer")

    async with api.gateway.service.outbox.database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM api_keys WHERE key_hash = $1", key_hash(made["apiKey"]))
    assert row is not None
    assert (row["role"], row["tenant_id"]) == ("render", api.gateway.tenant.id)
    assert made["apiKey"] not in str(dict(row))


async def test_the_name_of_a_key_is_optional_and_so_is_the_body(api: Upload24) -> None:
    # T-06
    ways: list[dict[str, Any]] = [{"json": {}}, {"json": {"name": None}}, {}]
    for options in ways:
        response = await api.send("POST", "/api-keys/generate", auth="bearer", **options)
        assert response.status == 201, await response.text()
        assert (await response.json())["name"]


async def test_a_key_cannot_make_keys_or_read_the_history(api: Upload24) -> None:
    # T-01, T-04, T-13, 5.2.3
    for method, path in DASHBOARD_ROUTES:
        await refused(await api.send(method, path, auth="key"), 401, "unauthorized")
        assert (await api.send(method, path, auth="both")).status < 300
        assert (await api.send(method, path, auth="bearer")).status < 300


async def test_upload_routes_take_a_key_or_a_token(api: Upload24) -> None:
    # T-03, T-04
    for method, path in UPLOAD_ROUTES:
        await refused(await api.send(method, path, auth="none"), 401, "unauthorized")
        for auth in ("key", "bearer", "both"):
            assert (await api.send(method, path, auth=auth)).status in (400, 404, 415)


async def test_a_key_with_a_prefix_is_no_key(api: Upload24) -> None:
    # T-03
    for key in (f"Bearer {api.gateway.keys['admin']}", f" {api.gateway.keys['admin']}x", "", "Bearer"):
        for method, path in UPLOAD_ROUTES:
            headers = {"X-Api-Key": key}
            await refused(await api.send(method, path, auth="none", headers=headers), 401, "unauthorized")


async def test_of_both_the_key_counts_on_upload_routes(api: Upload24) -> None:
    # 5.2.3
    for method, path in UPLOAD_ROUTES:
        headers = {"X-Api-Key": "lsk_wrong"}
        await refused(await api.send(method, path, auth="bearer", headers=headers), 401, "unauthorized")
        response = await api.send(method, path, auth="key", headers={"Authorization": "Bearer nonsense"})
        assert response.status in (400, 404, 415)


async def test_a_key_in_the_authorization_header_is_no_token(api: Upload24) -> None:
    for method, path in (*UPLOAD_ROUTES, *DASHBOARD_ROUTES):
        headers = {"Authorization": f"Bearer {api.gateway.keys['admin']}"}
        await refused(await api.send(method, path, auth="none", headers=headers), 401, "unauthorized")


async def test_roles_limit_keys_and_tokens(api: Upload24) -> None:
    # 5.2.8
    for role in ("viewer", "render", "editor", "manager", "admin"):
        headers = {"Authorization": f"Bearer {api.gateway.token(role=role)}"}
        made = await api.send("POST", "/api-keys/generate", auth="none", headers=headers, json={})
        assert made.status == (201 if role == "admin" else 403)
        session = await api.send("POST", "/api/upload/presign-put", auth="none", headers=headers, json=api.body())
        assert session.status == (403 if role == "viewer" else 200)
        assert (await api.send("GET", "/uploads", auth="none", headers=headers)).status == 200


async def test_a_token_for_uploads_does_nothing_else(api: Upload24) -> None:
    # T-04: MediaLab's access tokens name this scope (M-03)
    headers = {"Authorization": f"Bearer {api.gateway.token(scope='upload')}"}
    session = await api.send("POST", "/api/upload/presign-put", auth="none", headers=headers, json=api.body())
    assert session.status == 200
    for method, path in DASHBOARD_ROUTES:
        await refused(await api.send(method, path, auth="none", headers=headers), 403, "forbidden")


async def test_a_token_that_is_not_valid_here_is_refused(api: Upload24) -> None:
    # 5.2.2
    gateway = api.gateway
    past = datetime.now(UTC) - timedelta(minutes=1)
    key = "k" * 40
    claims = jwt.decode(gateway.token(), options={"verify_signature": False})
    wrong = [
        gateway.token(exp=past), gateway.token(exp=None), gateway.token(iss="somebody"), gateway.token(aud="elsewhere"),
        gateway.token(iss=None), gateway.token(aud=None), gateway.token(sub=None), gateway.token(tenant=None),
        gateway.token(role=None), gateway.token(role="owner"), gateway.token(tenant="nobody"),
        gateway.token(tenant=str(uuid4())),
        gateway.token(role=5), gateway.token(tenant=[]), gateway.token(nbf=datetime.now(UTC) + timedelta(hours=1)),
        jwt.encode(claims, key, algorithm="HS256"), jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, gateway.token() * 3, algorithm="HS512"), gateway.token()[:-2], "a.b.c", "", "x" * 7000, "é.b.c",
    ]  # fmt: skip
    for token in wrong:
        headers = {"Authorization": f"Bearer {token}"}
        await refused(await api.send("GET", "/uploads", auth="none", headers=headers), 401, "unauthorized")
    for scheme in ("Basic", "", "Token"):
        headers = {"Authorization": f"{scheme} {gateway.token()}"}
        await refused(await api.send("GET", "/uploads", auth="none", headers=headers), 401, "unauthorized")


async def test_what_belongs_to_another_tenant_is_not_there(api: Upload24) -> None:
    # T-05, T-12
    upload_id = await api.uploaded()
    session = await api.presign()
    tenant, keys = await add_tenant(api.gateway.service)
    foreign: dict[str, Any] = {"auth": "none", "headers": {"X-Api-Key": keys["admin"]}}

    await refused(await api.send("GET", f"/api/upload/{upload_id}/status", **foreign), 404, "upload_not_found")
    for route in ("complete", "abort", "multipart/resume"):
        body = {"sessionToken": session["sessionToken"]}
        await refused(await api.send("POST", f"/api/upload/{route}", json=body, **foreign), 404, "session_not_found")
    details = await refused(
        await api.send("POST", "/api/upload/presign-put", json=api.body(), **foreign), 400, "account_not_linked"
    )
    assert details["details"] == {"accounts": api.gateway.accounts}
    token = api.gateway.token(tenant=str(tenant.id))
    listed = await api.get("/uploads", auth="none", headers={"Authorization": f"Bearer {token}"})
    assert listed["uploads"] == []
