"""Uploadcare's own Python client, unchanged, against the gateway on a port: what it calls after an upload. Part 2.4."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from aiohttp.test_utils import unused_port
from pyuploadcare import Uploadcare
from pyuploadcare.api.auth import UploadcareAuth, UploadcareSimpleAuth
from pyuploadcare.exceptions import AuthenticationError, InvalidRequestError, ThrottledRequestError, WebhookIsNotUnique

from services.gateway.domain.project import RateLimit
from tests.contract.dialects.uploadcare_project import ProjectKeys, add_project

Answer = TypeVar("Answer")


@pytest_asyncio.fixture
async def keys(make_gateway: Callable[..., Any]) -> ProjectKeys:
    return await add_project(await make_gateway(port=unused_port()))


@pytest.fixture(params=[UploadcareAuth, UploadcareSimpleAuth])
def client(keys: ProjectKeys, request: pytest.FixtureRequest) -> Iterator[Uploadcare]:
    client = connect(keys, keys.secret_key, request.param)
    yield client
    close(client)


def connect(keys: ProjectKeys, secret_key: str, auth: type[Any] = UploadcareAuth) -> Uploadcare:
    base = str(keys.gateway.http.make_url("/"))
    return Uploadcare(
        public_key=keys.project.public_key, secret_key=secret_key, api_base=base, upload_base=base, cdn_base=base,
        auth_class=auth, retry_throttled=0, timeout=20,
    )  # fmt: skip


def close(client: Uploadcare) -> None:
    for connection in (client.rest_client, client.upload_client, client.cdn_client):
        connection.close()


async def asked(call: Callable[..., Answer], *values: Any, **options: Any) -> Answer:
    """The client blocks, so it gets a thread."""
    return await asyncio.to_thread(call, *values, **options)


async def test_a_file_is_looked_at_stored_and_deleted(keys: ProjectKeys, client: Uploadcare) -> None:
    upload_id = await keys.file("IMG 1.jpg", metadata={"pet": "Zoë"})
    file = client.file(upload_id)

    info = await asked(file.update_info)
    assert (info["size"], info["original_filename"], info["metadata"]) == (1000, "IMG 1.jpg", {"pet": "Zoë"})
    assert (file.is_image, file.is_ready, file.is_stored, file.is_removed) == (True, True, False, False)
    assert (file.mime_type, file.filename, file.size) == ("image/jpeg", "IMG 1.jpg", 1000)
    assert info["content_info"]["image"]["color_mode"] == "RGB"
    assert file.datetime_uploaded is not None

    await asked(file.store)
    assert file.is_stored
    assert file.datetime_stored is not None

    await asked(file.delete)
    assert file.is_removed
    assert (await asked(client.file(upload_id).update_info))["datetime_removed"] is not None


async def test_files_are_listed_counted_and_changed_in_batches(keys: ProjectKeys, client: Uploadcare) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [str(await keys.file(registered_at=begin + timedelta(seconds=n))) for n in range(5)]

    listed = await asked(lambda: [file.uuid for file in client.list_files(request_limit=2)])
    newest = await asked(lambda: [file.uuid for file in client.list_files(ordering="-datetime_uploaded", limit=3)])
    later = client.list_files(starting_point=begin + timedelta(seconds=3), ordering="datetime_uploaded")
    assert (listed, newest) == (ids, ids[:1:-1])
    assert await asked(lambda: [file.uuid for file in later]) == ids[3:]
    assert await asked(client.list_files().count) == 5

    await asked(client.store_files, ids[:2])
    assert await asked(lambda: [file.uuid for file in client.list_files(stored=True)]) == ids[:2]
    await asked(client.delete_files, ids[1:3])
    assert await asked(lambda: [file.uuid for file in client.list_files(removed=True)]) == ids[1:3]
    assert await asked(lambda: [file.uuid for file in client.list_files(removed=False, stored=True)]) == ids[:1]


async def test_a_file_is_copied(keys: ProjectKeys, client: Uploadcare) -> None:
    source = client.file(await keys.readable_file())

    copied = await asked(source.create_local_copy, store=True)

    assert copied.uuid != source.uuid
    assert (await asked(copied.update_info))["datetime_stored"] is not None


async def test_metadata_is_edited(keys: ProjectKeys, client: Uploadcare) -> None:
    upload_id = await keys.file()
    metadata = client.metadata_api

    assert await asked(metadata.get_all_metadata, upload_id) == {}
    assert await asked(metadata.update_or_create_key, upload_id, "pet.name-_:1", "Zoë") == "Zoë"
    assert await asked(metadata.update_or_create_key, upload_id, "pet.name-_:1", "Ada") == "Ada"
    assert await asked(metadata.get_key, upload_id, "pet.name-_:1") == "Ada"
    assert await asked(metadata.get_all_metadata, upload_id) == {"pet.name-_:1": "Ada"}
    await asked(metadata.delete_key, upload_id, "pet.name-_:1")
    assert await asked(metadata.get_all_metadata, upload_id) == {}


async def test_groups_are_listed_read_stored_and_deleted(keys: ProjectKeys, client: Uploadcare) -> None:
    ids = [await keys.file(), await keys.file()]
    group_id = await keys.group(*ids)
    group = client.file_group(group_id)

    assert await asked(lambda: [found.id for found in client.list_file_groups()]) == [group_id]
    assert await asked(client.list_file_groups().count) == 1
    assert await asked(lambda: [file.uuid for file in group]) == [str(one) for one in ids]
    assert not await asked(lambda: group.is_stored)
    await asked(group.store)
    assert await asked(lambda: group.is_stored)
    await asked(client.file(ids[0]).delete)
    await asked(group.update_info)
    assert group[0] is None
    await asked(group.delete, delete_files=True)
    assert (await asked(client.file(ids[1]).update_info))["datetime_removed"] is not None
    with pytest.raises(InvalidRequestError, match="Not found"):
        await asked(client.file_group(group_id).update_info)


async def test_webhooks_are_managed(client: Uploadcare) -> None:
    url = "https://receiver.example.com/hook"

    made = await asked(client.create_webhook, url, event="file.uploaded", signing_secret="7kMVZivndx0ErgvhRKAr")
    assert (made.target_url, made.event, made.is_active, made.signing_secret) == (
        url, "file.uploaded", True, "7kMVZivndx0ErgvhRKAr",
    )  # fmt: skip
    assert await asked(lambda: list(client.list_webhooks())) == [made]
    with pytest.raises(WebhookIsNotUnique):
        await asked(client.create_webhook, url, event="file.uploaded")
    other = await asked(client.create_webhook, url, event="file.stored")
    with pytest.raises(WebhookIsNotUnique):
        await asked(client.update_webhook, other, event="file.uploaded")

    changed = await asked(client.update_webhook, made, is_active=False, event="file.deleted")
    assert (changed.id, changed.is_active, changed.event) == (made.id, False, "file.deleted")
    await asked(client.delete_webhook, made)
    await asked(client.delete_webhook, other.id)
    assert await asked(lambda: list(client.list_webhooks())) == []


async def test_the_project_is_shown(keys: ProjectKeys, client: Uploadcare) -> None:
    project = await asked(client.get_project_info)

    assert (project.name, project.pub_key, project.autostore_enabled) == ("Test", keys.project.public_key, True)


async def test_a_wrong_secret_or_too_many_requests_are_the_clients_own_errors(keys: ProjectKeys, client: Uploadcare) -> None:
    stranger = connect(keys, "wrong", type(client.rest_client.auth))
    with pytest.raises(AuthenticationError):
        await asked(stranger.get_project_info)
    close(stranger)

    await keys.change(rate_limit=RateLimit(1, 1000))
    await asked(client.get_project_info)
    with pytest.raises(ThrottledRequestError) as throttled:
        await asked(client.get_project_info)
    assert throttled.value.wait > 900
