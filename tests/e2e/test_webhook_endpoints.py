"""Webhook endpoints of a tenant, all the way: told, signed, logged, replayed."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tests.e2e.client import Client, until

PATH = "/platform/v1/webhook-endpoints"


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        return Webhook(secret).verify(self.body, self.headers)

    @property
    def shown(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Endpoint:
    """Takes whatever comes and keeps it."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(Call(request.path, headers, await request.read()))
        self.came.set()
        return web.Response(status=204)

    async def until(self, wanted: Callable[[Call], bool], count: int = 1) -> list[Call]:
        """The calls that are wanted, as soon as there are so many."""
        async with asyncio.timeout(60):
            while len(found := [call for call in self.calls if wanted(call)]) < count:
                self.came.clear()
                await self.came.wait()
        return found


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    application = web.Application()
    application.router.add_post("/{path:.*}", endpoint.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@asynccontextmanager
async def made(client: Client, **fields: Any) -> AsyncIterator[dict[str, Any]]:
    answer = await client.call("POST", PATH, fields)
    assert answer.status == 201, answer
    try:
        yield answer.json
    finally:
        assert (await client.call("DELETE", f"{PATH}/{answer.json['id']}")).status == 204


async def pinged(client: Client, made_endpoint: dict[str, Any], endpoint: Endpoint) -> Call:
    """A test that arrived."""
    answer = await client.call("POST", f"{PATH}/{made_endpoint['id']}/ping")
    assert answer.status == 202, answer
    (call,) = await endpoint.until(lambda call: call.id == answer.json["delivery_id"])
    return call


async def test_an_upload_is_told_logged_and_told_again_on_request(client: Client) -> None:
    async with serving() as endpoint, made(client, url=f"{endpoint.url}/standard") as known:
        # Given an endpoint that answers
        assert (await pinged(client, known, endpoint)).verified(known["secret"])["type"] == "ping"

        # When a file is uploaded and deleted
        upload_id = (await client.upload(b"id,name\n1,Ada\n"))["id"]
        await client.until_terminal(upload_id)

        def is_about(call: Call) -> bool:
            return bool(call.shown["data"].get("upload", {}).get("id") == upload_id)

        # Then both ends are told once, signed
        completed, processed = sorted(await endpoint.until(is_about, 2), key=lambda call: str(call.shown["type"]))
        assert completed.verified(known["secret"])["data"]["upload"]["size_bytes"] == 14
        assert processed.verified(known["secret"])["data"]["upload"]["state"] == "READY"

        # And logged
        async def logged() -> dict[str, Any] | None:
            page = (await client.call("GET", f"{PATH}/{known['id']}/deliveries?status=delivered")).json
            return next((delivery for delivery in page["deliveries"] if delivery["id"] == completed.id), None)

        delivery = await until(logged)
        assert (delivery["event"], delivery["upload_id"]) == ("upload.completed", upload_id)
        assert [attempt["response_status"] for attempt in delivery["attempts"]] == [204]

        # And sent once more when that is asked for: the same id, the same bytes
        answer = await client.call("POST", f"{PATH}/{known['id']}/replay", {"delivery_id": completed.id})
        assert answer.status == 202
        first, again = await endpoint.until(lambda call: call.id == completed.id, 2)
        assert first.body == again.body
        assert again.verified(known["secret"])


async def test_medialabs_shape_and_two_secrets(client: Client) -> None:
    async with serving() as endpoint, made(client, url=f"{endpoint.url}/medialab", format="medialab") as known:
        await pinged(client, known, endpoint)
        rotated = (await client.call("POST", f"{PATH}/{known['id']}/rotate-secret")).json

        async def both_sign() -> Call | None:
            call = await pinged(client, known, endpoint)
            return call if len(call.headers["webhook-signature"].split()) == 2 else None

        call = await until(both_sign)
        assert call.verified(known["secret"]) == call.verified(rotated["secret"])

        upload_id = (await client.upload(b"id,name\n1,Ada\n"))["id"]
        calls = await endpoint.until(lambda call: call.shown["data"].get("file_id") == upload_id, 2)
        assert sorted(call.shown["event"] for call in calls) == ["file_transcode", "file_upload"]
        for call in calls:
            body = call.verified(rotated["secret"])
            signed = body["signature"]["timestamp"] + body["signature"]["token"]
            expected = hmac.new(known["secret"].encode(), signed.encode(), hashlib.sha256).hexdigest()
            assert (body["id"], body["signature"]["signature"]) == (call.id, expected)
