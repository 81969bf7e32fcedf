"""An operator's containers and watch folders over HTTP, and what ingest is told of them."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from contracts.container import WatchedBucket, WatchedDirectory
from contracts.envelope import Envelope
from contracts.events import WatchFolderConfigured
from services.gateway.auth import key_hash, new_operator_token
from services.gateway.store import OperatorStore
from tests.integration.services.gateway.faces.conftest import Gateway

CONTAINERS, FOLDERS = "/platform/v1/containers", "/platform/v1/watch-folders"
S3: dict[str, Any] = {
    "kind": "s3", "endpoint": "https://s3.example.com", "bucket": "films", "access_key": "AK", "secret_key": "hush-hush",
}  # fmt: skip
AZURE: dict[str, Any] = {
    "kind": "azure", "account_url": "https://films.blob.core.windows.net", "container": "raw",
    "credential": "sv=2024-01-01&sp=r&sig=hush%2Fhush",
}  # fmt: skip


@pytest_asyncio.fixture
async def operator(gateway: Gateway) -> dict[str, str]:
    """The headers of one, beside a tenant that things can belong to."""
    token = new_operator_token()
    await gateway.tenant("key")
    async with gateway.outbox.database.transaction() as connection:
        await OperatorStore(connection).insert_token(key_hash(token), "test")
    return {"Authorization": f"Bearer {token}"}


async def call(gateway: Gateway, method: str, path: str, headers: dict[str, str], json: Any = None) -> tuple[int, Any]:
    async with gateway.client.request(method, path, headers=headers, json=json) as response:
        return response.status, await response.json() if response.content_length else None


async def told(gateway: Gateway) -> list[WatchFolderConfigured]:
    async with gateway.outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
    events = [Envelope.model_validate_json(row["envelope"]).event() for row in rows]
    return [event for event in events if isinstance(event, WatchFolderConfigured)]


@pytest.mark.parametrize(
    ("settings", "place"),
    [(S3, "https://s3.example.com/films"), (AZURE, "https://films.blob.core.windows.net/raw")],
    ids=["s3", "azure"],
)
async def test_a_container_is_linked_and_its_credentials_never_shown(
    gateway: Gateway, operator: dict[str, str], settings: dict[str, Any], place: str
) -> None:
    # M-06
    status, linked = await call(gateway, "POST", CONTAINERS, operator, {"name": "Films", "settings": settings})
    assert status == 201
    assert linked.keys() == {"id", "tenant_id", "kind", "name", "place", "created_at"}
    assert (linked["kind"], linked["name"], linked["place"]) == (settings["kind"], "Films", place)

    one = f"{CONTAINERS}/{linked['id']}"
    assert await call(gateway, "GET", one, operator) == (200, linked)
    assert await call(gateway, "GET", CONTAINERS, operator) == (200, {"containers": [linked], "next_cursor": None})
    async with gateway.outbox.database.connection() as connection:
        assert "hush" not in str(await connection.fetch("SELECT * FROM containers"))

    assert await call(gateway, "DELETE", one, operator) == (204, None)
    assert (await call(gateway, "GET", one, operator))[0] == (await call(gateway, "DELETE", one, operator))[0] == 404


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (S3 | {"kind": "gcs"}, "settings"), (S3 | {"endpoint": "https://s3.example.com/path"}, "settings.s3.endpoint"),
        (S3 | {"endpoint": "http://127.0.0.1:9000"}, "settings.endpoint"), (S3 | {"bucket": "../x"}, "settings.s3.bucket"),
        (S3 | {"secret_key": None}, "settings.s3.secret_key"), (S3 | {"surprise": 1}, "settings.s3.surprise"),
        (AZURE | {"account_url": "http://10.0.0.1"}, "settings.account_url"),
        (AZURE | {"container": "A"}, "settings.azure.container"),
        (AZURE | {"account_url": "https://x.example.com/?sv=1"}, "settings.azure.account_url"),
        (AZURE | {"credential": "not a key"}, "settings.azure.credential"),
    ],
    ids=lambda value: str(value)[-60:],
)  # fmt: skip
async def test_settings_with_which_nothing_could_be_fetched_are_refused(
    gateway: Gateway, operator: dict[str, str], settings: dict[str, Any], field: str
) -> None:
    status, problem = await call(gateway, "POST", CONTAINERS, operator, {"name": "x", "settings": settings})
    assert status == 400
    assert field in [error["field"] for error in problem["errors"]]
    assert "hush" not in str(problem)


async def test_lists_come_in_pages(gateway: Gateway, operator: dict[str, str]) -> None:
    for number in range(5):
        await call(gateway, "POST", CONTAINERS, operator, {"name": f"c{number}", "settings": S3})
        await call(gateway, "POST", FOLDERS, operator, {"name": f"w{number}", "kind": "directory", "path": f"w{number}"})
    for path, of in ((CONTAINERS, "containers"), (FOLDERS, "watch_folders")):
        names: list[str] = []
        cursor = None
        while True:
            query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
            _, page = await call(gateway, "GET", path + query, operator)
            names += [item["name"][1:] for item in page[of] if item["name"] != "Demo"]
            if (cursor := page["next_cursor"]) is None:
                break
        assert names == ["4", "3", "2", "1", "0"]
        assert (await call(gateway, "GET", f"{path}?tenant_id={uuid4()}", operator))[1]["code"] == "unknown_tenant"


async def test_a_directory_is_watched_until_it_is_removed(gateway: Gateway, operator: dict[str, str]) -> None:
    # M-07
    asked = {"name": "Inbox", "kind": "directory", "path": "inbox/films/", "on_success": "move"}
    status, folder = await call(gateway, "POST", FOLDERS, operator, asked)
    assert status == 201
    assert (folder["path"], folder["on_success"], folder["container_id"], folder["prefix"]) == (
        "inbox/films",
        "move",
        None,
        None,
    )
    assert await call(gateway, "GET", f"{FOLDERS}/{folder['id']}", operator) == (200, folder)

    assert await call(gateway, "DELETE", f"{FOLDERS}/{folder['id']}", operator) == (204, None)
    assert (await call(gateway, "GET", f"{FOLDERS}/{folder['id']}", operator))[0] == 404
    added, removed = [event for event in await told(gateway) if event.watch_folder_id == UUID(folder["id"])]
    assert (added.revision, added.removed, added.kind, added.on_success) == (1, False, "directory", "move")
    settings = WatchedDirectory.model_validate_json(gateway.secrets_box.open(added.settings_encrypted))
    assert settings.path == "inbox/films"
    assert (removed.revision, removed.removed) == (2, True)


async def test_a_bucket_is_watched_below_a_prefix(gateway: Gateway, operator: dict[str, str]) -> None:
    # M-07
    _, container = await call(gateway, "POST", CONTAINERS, operator, {"name": "Films", "settings": S3})
    asked = {"name": "Inbox", "kind": "bucket", "container_id": container["id"], "prefix": "in/box/"}
    status, folder = await call(gateway, "POST", FOLDERS, operator, asked)
    assert (status, folder["prefix"], folder["path"]) == (201, "in/box/", None)
    [event] = [event for event in await told(gateway) if event.watch_folder_id == UUID(folder["id"])]
    assert "hush" not in event.model_dump_json()
    settings = WatchedBucket.model_validate_json(gateway.secrets_box.open(event.settings_encrypted))
    assert (settings.prefix, settings.container.secret_key.get_secret_value()) == ("in/box/", "hush-hush")

    status, problem = await call(gateway, "DELETE", f"{CONTAINERS}/{container['id']}", operator)
    assert (status, problem["code"]) == (409, "container_watched")
    await call(gateway, "DELETE", f"{FOLDERS}/{folder['id']}", operator)
    assert (await call(gateway, "DELETE", f"{CONTAINERS}/{container['id']}", operator))[0] == 204


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "directory"}, {"kind": "directory", "path": "../x"}, {"kind": "directory", "path": "/etc"},
        {"kind": "directory", "path": "a//b"}, {"kind": "directory", "path": ""},
        {"kind": "directory", "path": "a", "prefix": "b/"},
        {"kind": "bucket"}, {"kind": "bucket", "container_id": str(UUID(int=1))}, {"kind": "bucket", "path": "a"},
        {"kind": "bucket", "container_id": str(UUID(int=1)), "prefix": "/a/"}, {"kind": "ftp", "path": "a"},
        {"kind": "directory", "path": "a", "on_success": "keep"},
    ],
    ids=str,
)  # fmt: skip
async def test_places_that_are_none_are_refused(gateway: Gateway, operator: dict[str, str], asked: dict[str, Any]) -> None:
    status, problem = await call(gateway, "POST", FOLDERS, operator, {"name": "x", **asked})
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_no_file_lies_in_two_watch_folders(gateway: Gateway, operator: dict[str, str]) -> None:
    # M-07: it would be ingested twice
    async def add(**place: str) -> tuple[int, str | None]:
        status, answered = await call(gateway, "POST", FOLDERS, operator, {"name": "x", **place})
        return status, answered.get("code")

    async def link(**changes: str) -> str:
        _, container = await call(gateway, "POST", CONTAINERS, operator, {"name": "x", "settings": S3 | changes})
        return str(container["id"])

    refused = (409, "watch_folders_overlap")
    assert await add(kind="directory", path="in/films") == (201, None)
    for path in ("in/films", "in", "in/films/new/"):
        assert await add(kind="directory", path=path) == refused
    assert await add(kind="directory", path="in/films2") == (201, None)

    first, again, other = await link(), await link(), await link(bucket="others")
    assert await add(kind="bucket", container_id=first, prefix="in/") == (201, None)
    for container_id, prefix in ((first, "in/"), (first, ""), (again, "in/new/")):
        assert await add(kind="bucket", container_id=container_id, prefix=prefix) == refused
    assert await add(kind="bucket", container_id=again, prefix="out/") == (201, None)
    assert await add(kind="bucket", container_id=other) == (201, None)


async def test_an_azure_container_cannot_be_watched(gateway: Gateway, operator: dict[str, str]) -> None:
    _, container = await call(gateway, "POST", CONTAINERS, operator, {"name": "Films", "settings": AZURE})
    asked = {"name": "x", "kind": "bucket", "container_id": container["id"]}
    assert (await call(gateway, "POST", FOLDERS, operator, asked))[0] == 400


@pytest.mark.parametrize("path", [CONTAINERS, FOLDERS])
async def test_only_an_operator_is_let_in(gateway: Gateway, operator: dict[str, str], path: str) -> None:
    for method, where in (("POST", path), ("GET", path), ("GET", f"{path}/{uuid4()}"), ("DELETE", f"{path}/{uuid4()}")):
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"X-API-Key": "key"}):
            assert (await call(gateway, method, where, headers, {} if method == "POST" else None))[0] == 401
    assert (await call(gateway, "GET", f"{path}/nonsense", operator))[0] == 404
