"""The object store's notifications are hints: repeated, shuffled, early, wrong or missing, the outcome is the same."""

import asyncio
import random
from typing import Any
from urllib.parse import quote_plus, urlsplit

from tests.e2e.client import Answer, Client
from tests.e2e.platform import Platform
from tests.e2e.receiver import Receiver


async def test_repeated_and_shuffled_notices_announce_each_upload_once(
    shared_platform: Platform, client: Client, receiver: Receiver
) -> None:
    # Given notices about objects that are not there yet
    created = [await client.register(callback_url=f"{receiver.url}/{number}") for number in range(8)]
    notices = [_notice(upload) for upload in created] * 4
    random.Random(7).shuffle(notices)
    early = await asyncio.gather(*(_notify(shared_platform, client, notice) for notice in notices))
    assert {answer.status for answer in early} <= {200, 202, 204}

    # When the bytes come, among more of them
    for number, upload in enumerate(created):
        assert (await client.put(upload, b"%d" % number)).status == 200
    await asyncio.gather(*(_notify(shared_platform, client, notice) for notice in notices))

    # Then each upload completes, and is announced under one id with one body
    for number, upload in enumerate(created):
        assert (await client.until_terminal(upload["id"]))["state"] == "READY"
        call = await receiver.one_at(f"/{number}")
        assert call.data["id"] == upload["id"]
    await asyncio.gather(*(_notify(shared_platform, client, notice) for notice in notices))
    for number in range(len(created)):
        assert len({(call.webhook_id, call.body) for call in receiver.calls_at(f"/{number}")}) == 1


async def test_nonsense_is_taken_and_changes_nothing(shared_platform: Platform, client: Client) -> None:
    created = await client.register()
    kinds: list[object] = [{}, {"Records": []}, {"Records": [{"s3": {}}]}, {"Records": "no"}, [], {"EventName": 1}]
    for nonsense in kinds:
        assert (await _notify(shared_platform, client, nonsense)).status < 500
    foreign = {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"object": {"key": "files/../../etc"}}}]}
    assert (await _notify(shared_platform, client, foreign)).status < 500
    assert (await client.state(created["id"]))["state"] == "REGISTERED"


async def test_nobody_without_the_token_may_notify(shared_platform: Platform, client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "nonsense"}):
        answer = await client.request("POST", shared_platform.events_url, json={"Records": []}, headers=headers)
        assert answer.status in (401, 403)


def _notice(upload: dict[str, Any]) -> dict[str, Any]:
    """As S3 would send it; the key is what the upload URL names."""
    path = urlsplit(upload["upload_url"]).path
    bucket, _slash, key = path.lstrip("/").partition("/")
    found = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "wrong"}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "s3": found}]}


async def _notify(platform: Platform, client: Client, notice: object) -> Answer:
    headers = {"Authorization": f"Bearer {platform.events_token}"}
    return await client.request("POST", platform.events_url, json=notice, headers=headers)
