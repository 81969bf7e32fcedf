"""The address to which a store posts its notifications."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from libs.web.server import application
from services.storage_notification.adapters.amqp import taking
from services.storage_notification.api import PATH, events_api
from tests.integration.services.storage_notification.conftest import Watcher, records, registration, s3_record

TOKEN = {"Authorization": "Bearer right"}
Client = TestClient[Request, Application]


@pytest_asyncio.fixture
async def client(watcher: Watcher) -> AsyncIterator[Client]:
    api = events_api(watcher.notification.receive, "right")
    async with TestClient(TestServer(application([api]))) as client:
        yield client


async def test_the_answer_comes_after_the_commit(client: Client, watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)

    answer = await client.post(PATH, json=records(s3_record(registered.staging_key), None), headers=TOKEN)

    assert answer.status == 200
    assert await answer.json() == {"accepted": 1, "malformed": 1, "skipped": 0}
    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]


async def test_a_malformed_notification_is_taken_and_counted(client: Client) -> None:
    payloads: tuple[object, ...] = (None, 7, [], {}, {"Records": 5}, {"Records": [None] * 1000})
    for payload in payloads:
        answer = await client.post(PATH, data=json.dumps(payload), headers=TOKEN)
        assert answer.status == 200, payload


async def test_messages_from_a_queue_go_the_same_way(watcher: Watcher) -> None:
    registered = registration()
    await watcher.hear(registered)
    await watcher.put(registered.staging_key)
    take = taking(watcher.notification.receive)

    await take(b"not json")
    await take(json.dumps(records(s3_record(registered.staging_key))).encode())

    assert [event.upload_id for event in await watcher.announced()] == [registered.upload_id]
