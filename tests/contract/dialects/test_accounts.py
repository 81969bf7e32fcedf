"""`/platform/v1/accounts`: a tenant's accounts, whose credentials are never seen again."""

from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse

from contracts.events import AccountConfigured
from libs.runtime.secret import SecretBox
from tests.contract.dialects.conftest import SECRET_KEY, Gateway, add_tenant

PATH = "/platform/v1/accounts"
SECRET = "do-not-show-this"
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "directory": ({"path": "clips"}, {"path": "clips", "name": "{publication_id}-{file_name}"}),
    "http": (
        {"url": f"https://user:{SECRET}@example.com/in/{{upload_id}}?key={SECRET}", "headers": {"Authorization": SECRET}},
        {"url": "https://example.com/in/{upload_id}", "method": "PUT", "headers": {}, "field": "file"},
    ),
    "s3": (
        {"endpoint": "https://s3.example.com", "bucket": "videos", "access_key": "AKIA", "secret_key": SECRET},
        {
            "endpoint": "https://s3.example.com", "region": "us-east-1", "bucket": "videos", "access_key": "AKIA",
            "key": "{publication_id}/{file_name}",
        },
    ),
    "webhook": (
        {"url": "https://example.com/hook", "secret": "whsec_" + "c2VjcmV0" * 5},
        {"url": "https://example.com/hook", "link_seconds": 86400},
    ),
}  # fmt: skip


async def linked(gateway: Gateway, kind: str = "directory", **more: Any) -> dict[str, Any]:
    body = {"kind": kind, "name": "Mine", "settings": SETTINGS[kind][0], **more}
    response = await gateway.call("POST", PATH, json=body)
    assert response.status == 201, await response.text()
    view: dict[str, Any] = await response.json()
    return view


async def is_problem(response: ClientResponse, status: int) -> None:
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("kind", SETTINGS)
async def test_an_account_is_linked_and_its_credentials_go_to_delivery_alone(gateway: Gateway, kind: str) -> None:
    given, shown = SETTINGS[kind]

    view = await linked(gateway, kind)

    assert (view["kind"], view["name"], view["settings"]) == (kind, "Mine", shown)
    assert (view["quota_limit"], view["quota_used"], view["quota_reserved"]) == (None, 0, 0)
    listed = await gateway.call("GET", PATH)
    for text in (str(view), await listed.text(), await (await gateway.call("GET", f"{PATH}/{view['id']}")).text()):
        assert SECRET not in text
        assert "whsec_" not in text
    event = (await gateway.emitted(AccountConfigured))[-1]
    assert (event.kind, event.revision, event.removed, f"account_{event.account_id.hex}") == (kind, 1, False, view["id"])
    opened = orjson.loads(SecretBox(SECRET_KEY).open(event.settings_encrypted))
    assert given.items() <= opened.items()
    async with gateway.service.outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM accounts")
    assert SECRET not in str([dict(row) for row in rows])


async def test_an_account_is_changed_and_what_is_not_given_stays(gateway: Gateway) -> None:
    view = await linked(gateway, "s3", quota_limit=5)
    path = f"{PATH}/{view['id']}"

    renamed = await (await gateway.call("PATCH", path, json={"name": "Other"})).json()
    assert renamed == {**view, "name": "Other", "updated_at": renamed["updated_at"]}
    moved = {**SETTINGS["s3"][0], "bucket": "other"}
    changed = await (await gateway.call("PATCH", path, json={"settings": moved, "quota_limit": None})).json()
    assert (changed["settings"]["bucket"], changed["quota_limit"]) == ("other", None)
    assert await (await gateway.call("GET", path)).json() == changed
    events = (await gateway.emitted(AccountConfigured))[-3:]
    assert [event.revision for event in events] == [1, 2, 3]
    assert orjson.loads(SecretBox(SECRET_KEY).open(events[2].settings_encrypted))["bucket"] == "other"
    wrong: list[dict[str, Any]] = [
        {"name": None}, {"settings": None}, {"kind": "http"}, {"settings": {}}, {"quota_limit": -1}, {"x": 1},
    ]  # fmt: skip
    for body in wrong:
        await is_problem(await gateway.call("PATCH", path, json=body), 400)
    assert await (await gateway.call("GET", path)).json() == changed


async def test_an_unlinked_account_is_gone_with_its_credentials(gateway: Gateway) -> None:
    view = await linked(gateway, "s3")
    path = f"{PATH}/{view['id']}"

    assert (await gateway.call("DELETE", path)).status == 204

    event = (await gateway.emitted(AccountConfigured))[-1]
    assert (event.removed, event.revision, event.settings_encrypted) == (True, 2, "")
    for method in ("GET", "PATCH", "DELETE"):
        await is_problem(await gateway.call(method, path, json={"name": "x"} if method == "PATCH" else None), 404)
    assert view["id"] not in await (await gateway.call("GET", PATH)).text()
    async with gateway.service.outbox.database.connection() as connection:
        sealed = await connection.fetchval("SELECT settings_sealed FROM accounts WHERE id = $1", event.account_id)
    assert sealed == ""


async def test_accounts_are_listed_page_by_page_newest_first(gateway: Gateway) -> None:
    made = [(await linked(gateway))["id"] for _ in range(3)]

    seen, cursor = [], ""
    while cursor is not None:
        page = await (await gateway.call("GET", PATH, params={"limit": "2", **({"cursor": cursor} if cursor else {})})).json()
        seen += [account["id"] for account in page["accounts"]]
        cursor = page["next_cursor"]

    assert seen == [*reversed(made), *reversed(gateway.accounts)]
    for query in ({"limit": "0"}, {"limit": "101"}, {"cursor": "x"}):
        await is_problem(await gateway.call("GET", PATH, params=query), 400)


async def test_settings_are_judged_by_their_kind(gateway: Gateway) -> None:
    wrong: list[dict[str, Any]] = [
        {"kind": "ftp"}, {"kind": None}, {"name": ""}, {"name": " "}, {"name": "x" * 201}, {"settings": {}}, {"settings": None},
        {"settings": "path"}, {"settings": {"path": "x", "surprise": 1}}, {"settings": {"path": 5}}, {"quota_limit": "5"},
        {"quota_limit": 2**31}, {"quota_limit": 1.5}, {"quota_limit": True}, {"surprise": 1},
        {"kind": "s3", "settings": {**SETTINGS["s3"][0], "endpoint": "ftp://x"}},
        {"kind": "webhook", "settings": {"url": "https://example.com", "secret": "short"}},
        {"kind": "http", "settings": {"url": "https://example.com", "headers": {"Host": SECRET}}},
    ]  # fmt: skip
    for changes in wrong:
        response = await gateway.call(
            "POST", PATH, json={"kind": "directory", "name": "x", "settings": {"path": "x"}, **changes}
        )
        await is_problem(response, 400)
        assert SECRET not in await response.text()


async def test_an_administrator_alone_has_accounts(gateway: Gateway) -> None:
    one = f"{PATH}/{gateway.accounts[0]}"
    for role in ("viewer", "render", "editor", "manager"):
        token = {"Authorization": f"Bearer {gateway.token(role=role)}"}
        for method, path in (("GET", PATH), ("GET", one), ("DELETE", one), ("POST", PATH)):
            await is_problem(await gateway.call(method, path, role=role), 403)
            await is_problem(await gateway.call(method, path, role=None, headers=token), 403)
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
        response = await gateway.call("GET", PATH, role=None, headers=headers)
        await is_problem(response, 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    token = {"Authorization": f"Bearer {gateway.token()}"}
    assert (await gateway.call("GET", one, role=None, headers=token)).status == 200
    uploads = {"Authorization": f"Bearer {gateway.token(scope='upload')}"}
    await is_problem(await gateway.call("GET", one, role=None, headers=uploads), 403)


async def test_accounts_of_another_tenant_are_not_there(gateway: Gateway) -> None:
    _tenant, keys = await add_tenant(gateway.service)
    for account in (gateway.accounts[0], "account_" + "0" * 32, "x", "🎬"):
        for method in ("GET", "DELETE", "PATCH"):
            body = {"name": "x"} if method == "PATCH" else None
            await is_problem(await gateway.call(method, f"{PATH}/{account}", key=keys["admin"], json=body), 404)
    assert (await (await gateway.call("GET", PATH, key=keys["admin"])).json())["accounts"] == []
