"""An operator's projects over HTTP."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest_asyncio

from contracts.ids import TenantId
from libs.runtime.secret import SecretBox, new_key
from services.gateway.auth import key_hash, new_operator_token
from services.gateway.bootstrap import demo_project
from services.gateway.domain.project import ProjectId, RateLimit
from services.gateway.projects import Projects
from services.gateway.store import OperatorStore, ProjectStore
from tests.integration.services.gateway.faces.conftest import Gateway

PATH = "/platform/v1/projects"
DEFAULTS: dict[str, Any] = {
    "signed_uploads": False,
    "auto_store": True,
    "max_file_size_bytes": 10**9,
    "rate_limit": None,
    "allowed_types": [],
    "forbidden_types": [],
    "allowed_origins": [],
    "status": "active",
}


@pytest_asyncio.fixture
async def operator(gateway: Gateway) -> dict[str, str]:
    """The headers of one, beside a tenant that projects can belong to."""
    token = new_operator_token()
    await gateway.tenant("key")
    async with gateway.outbox.database.transaction() as connection:
        await OperatorStore(connection).insert_token(key_hash(token), "test")
    return {"Authorization": f"Bearer {token}"}


async def call(gateway: Gateway, method: str, path: str, headers: dict[str, str], json: Any = None) -> tuple[int, Any]:
    async with gateway.client.request(method, path, headers=headers, json=json) as response:
        return response.status, await response.json() if response.content_length else None


async def test_a_project_is_made_with_keys_and_its_secret_is_shown_once(gateway: Gateway, operator: dict[str, str]) -> None:
    status, created = await call(gateway, "POST", PATH, operator, {"name": "Shop"})
    assert status == 201
    assert created["name"] == "Shop"
    assert {name: created[name] for name in DEFAULTS} == DEFAULTS
    assert len(created["public_key"]) == 20
    assert len(created["secret_key"]) == 40

    status, shown = await call(gateway, "GET", f"{PATH}/{created['id']}", operator)
    assert status == 200
    assert shown == {name: value for name, value in created.items() if name != "secret_key"}


async def test_every_setting_can_be_given_and_changed(gateway: Gateway, operator: dict[str, str]) -> None:
    given = {
        "signed_uploads": True,
        "auto_store": False,
        "max_file_size_bytes": 1000,
        "rate_limit": {"requests": 3, "per_seconds": 1.5},
        "allowed_types": ["image/*", "video/mp4"],
        "forbidden_types": ["image/svg+xml"],
        "allowed_origins": ["https://shop.example.com"],
        "status": "unpaid",
    }
    _, created = await call(gateway, "POST", PATH, operator, {"name": "Shop", **given})
    assert {name: created[name] for name in given} == given

    path = f"{PATH}/{created['id']}"
    status, changed = await call(gateway, "PATCH", path, operator, {"rate_limit": None, "status": "active", "name": "Store"})
    assert status == 200
    assert (changed["rate_limit"], changed["status"], changed["name"]) == (None, "active", "Store")
    assert changed["allowed_types"] == given["allowed_types"]
    assert changed["updated_at"] > created["updated_at"]


async def test_a_removed_project_stays_known_as_removed(gateway: Gateway, operator: dict[str, str]) -> None:
    _, created = await call(gateway, "POST", PATH, operator, {"name": "Shop"})
    assert (await call(gateway, "DELETE", f"{PATH}/{created['id']}", operator))[0] == 204
    assert (await call(gateway, "DELETE", f"{PATH}/{created['id']}", operator))[0] == 204
    _, shown = await call(gateway, "GET", f"{PATH}/{created['id']}", operator)
    assert shown["status"] == "removed"


async def test_the_list_goes_page_by_page_from_the_newest(gateway: Gateway, operator: dict[str, str]) -> None:
    names = [f"p{number}" for number in range(5)]
    for name in names:
        await call(gateway, "POST", PATH, operator, {"name": name})
    found: list[str] = []
    cursor = ""
    while True:
        status, page = await call(gateway, "GET", f"{PATH}?limit=2{cursor}", operator)
        assert status == 200
        found += [project["name"] for project in page["projects"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == names[::-1]


async def test_nobody_but_an_operator_may(gateway: Gateway, operator: dict[str, str]) -> None:
    _, created = await call(gateway, "POST", PATH, operator, {"name": "Shop"})
    one = f"{PATH}/{created['id']}"
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}, {"X-API-Key": "key"}):
        for method, path in (("POST", PATH), ("GET", PATH), ("GET", one), ("PATCH", one), ("DELETE", one)):
            async with gateway.client.request(method, path, headers=headers, json={"name": "x"}) as response:
                assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert (await response.json())["code"] == "unknown_key"


async def test_a_bad_request_says_what_is_wrong(gateway: Gateway, operator: dict[str, str]) -> None:
    _, created = await call(gateway, "POST", PATH, operator, {"name": "Shop"})
    one = f"{PATH}/{created['id']}"
    for body, field in (
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "max_file_size_bytes": 0}, "max_file_size_bytes"),
        ({"name": "x", "rate_limit": {"requests": 0, "per_seconds": 1}}, "rate_limit.requests"),
        ({"name": "x", "allowed_types": ["image"]}, "allowed_types.0"),
        ({"name": "x", "allowed_origins": ["example.com"]}, "allowed_origins.0"),
        ({"name": "x", "status": "odd"}, "status"),
        ({"name": "x", "colour": "red"}, "colour"),
    ):
        status, answer = await call(gateway, "POST", PATH, operator, body)
        assert (status, answer["errors"][0]["field"]) == (400, field)
    status, answer = await call(gateway, "PATCH", one, operator, {"name": None})
    assert status == 400
    status, answer = await call(gateway, "POST", PATH, operator, {"name": "x", "tenant_id": str(uuid4())})
    assert (status, answer["code"]) == (400, "unknown_tenant")
    for missing in (f"{PATH}/{uuid4()}", f"{PATH}/nonsense"):
        assert (await call(gateway, "GET", missing, operator))[0] == 404


async def test_the_bucket_holds_so_many_tokens_and_fills_at_its_rate(gateway: Gateway) -> None:
    project = ProjectId(uuid4()), RateLimit(requests=3, per_seconds=3000)
    async with gateway.outbox.database.connection() as connection:
        store = ProjectStore(connection)
        taken = [(await store.take_tokens([project]))[project[0]] for _ in range(4)]
        assert [tokens.count for tokens in taken] == [1, 1, 1, 0]
        assert 900 < taken[3].wait.total_seconds() <= 1000
        await connection.execute("UPDATE throttles SET full_at = full_at - interval '1000 seconds'")
        assert (await store.take_tokens([project]))[project[0]].count == 1
        assert (await store.take_tokens([project]))[project[0]].count == 0


async def test_requests_of_one_moment_get_the_tokens_that_are_there(gateway: Gateway) -> None:
    demo = demo_project(TenantId(uuid4()), "", 1, datetime.now(UTC))
    small, large = (
        replace(demo, id=ProjectId(uuid4()), rate_limit=RateLimit(requests, per_seconds=3000)) for requests in (3, 100)
    )
    projects = Projects(gateway.outbox.database, SecretBox(new_key()), cache_seconds=0)
    waits = await asyncio.gather(*(projects.throttled_seconds(project) for project in (small, large) * 5))
    assert [wait is None for wait in waits[::2]] == [True, True, True, False, False]
    assert waits[1::2] == [None] * 5
