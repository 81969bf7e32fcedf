"""Receivers that fail, misbehave or attack."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from aiohttp import web

from libs.outbox.unit_of_work import Outbox
from tests.integration.services.delivery.scene import (
    an_upload,
    attempts,
    configured,
    happen,
    raw_receiver,
    ready,
    receiver,
    sender,
    status,
    webhook,
)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client leaves


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def infinite_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nslow")
    await reader.read()


async def dribbled_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for number in count():
        writer.write(f"HTTP/1.1 200 OK\r\nx-{number}: y\r\n".encode() if number == 0 else f"x-{number}: y\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)  # the attack itself: a head that never ends


async def giant_header(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-large: " + b"x" * 5_000_000 + b"\r\n\r\n")
    await writer.drain()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()


async def gzip_bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
    await writer.drain()


@pytest.mark.parametrize(
    ("talk", "errors"),
    [
        (hang, {"timeout"}),
        (dribbled_head, {"timeout", "malformed_answer"}),
        (reset, {"disconnected"}),
        (giant_header, {"malformed_answer"}),
        (not_http, {"malformed_answer"}),
    ],
)
async def test_a_receiver_without_an_answer_is_tried_again(outbox: Outbox, talk: Talk, errors: set[str]) -> None:
    upload_id = an_upload()
    async with raw_receiver(talk) as url, sender(outbox, timeout_seconds=0.5) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, url)])
        await sender_.once()

    (attempt,) = await attempts(outbox, upload_id)
    assert attempt["response_status"] is None
    assert attempt["error"] in errors
    assert (await webhook(outbox, upload_id))["status"] == "retrying"


@pytest.mark.parametrize("talk", [infinite_body, dribble, gzip_bomb])
async def test_of_an_endless_slow_or_packed_answer_only_the_beginning_is_read(outbox: Outbox, talk: Talk) -> None:
    upload_id = an_upload()
    async with raw_receiver(talk) as url, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, url)])
        await sender_.once()

    (attempt,) = await attempts(outbox, upload_id)
    assert attempt["response_status"] == 200
    assert 0 < len(attempt["excerpt"]) <= 2048
    assert (await webhook(outbox, upload_id))["status"] == "delivered"


async def test_a_receiver_that_is_not_there_is_tried_again(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as gone:
        pass
    async with sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, gone.url)])
        await sender_.once()
    assert (await attempts(outbox, upload_id))[0]["error"] == "connect_failed"


async def test_after_the_last_attempt_a_webhook_has_failed(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0, 0, 0)) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        while await sender_.once():
            pass
    row = await webhook(outbox, upload_id)
    assert (row["status"], row["attempts"], row["next_attempt_at"]) == ("failed", 3, None)
    assert len(receiver_.received) == 3


async def test_a_receiver_that_is_gone_is_not_called_again(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver(status(410)) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        while await sender_.once():
            pass
    assert (await webhook(outbox, upload_id))["status"] == "failed"
    assert len(receiver_.received) == 1


@pytest.mark.parametrize(("asked", "seconds"), [("150", 150), ("9999", 200), ("1", 100)])
async def test_retry_after_is_honoured_between_once_and_twice_the_pause(outbox: Outbox, asked: str, seconds: int) -> None:
    upload_id = an_upload()
    async with receiver(status(429, Retry_After=asked)) as receiver_, sender(outbox, seconds=(0, 100)) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        before = datetime.now(UTC)
        await sender_.once()
        after = datetime.now(UTC)
    row = await webhook(outbox, upload_id)
    assert before <= row["next_attempt_at"] - timedelta(seconds=seconds) <= after


async def test_a_redirect_is_a_failure_and_is_not_followed(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as canary:

        async def redirect(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": canary.url})

        async with receiver(redirect) as receiver_, sender(outbox) as sender_:
            await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
            await sender_.once()
    assert canary.received == []
    assert (await webhook(outbox, upload_id))["status"] == "retrying"
    assert (await attempts(outbox, upload_id))[0]["response_status"] == 307


async def test_an_address_that_is_refused_is_a_failed_attempt_and_sees_nothing(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with receiver() as canary, sender(outbox, allow="") as sender_:
        await happen(outbox, [configured(), *ready(upload_id, canary.url)])
        await sender_.once()
    assert canary.received == []
    (attempt,) = await attempts(outbox, upload_id)
    assert attempt["error"] == "address_refused"
    assert "not public" in attempt["detail"]


async def test_an_answer_with_nul_and_broken_text_is_kept_as_text(outbox: Outbox) -> None:
    upload_id = an_upload()

    async def binary(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, body=b"a\x00b\xff\xfe" + b"c" * 5000)

    async with receiver(binary) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, receiver_.url)])
        await sender_.once()
    (attempt,) = await attempts(outbox, upload_id)
    assert attempt["excerpt"].startswith("ab\ufffd\ufffdccc")
    assert len(attempt["excerpt"]) == 2048


async def test_a_secret_that_cannot_be_read_is_a_failed_attempt(outbox: Outbox) -> None:
    upload_id = an_upload()
    unreadable = configured().model_copy(update={"webhook_secret_encrypted": "sealed with a lost key"})
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [unreadable, *ready(upload_id, receiver_.url)])
        await sender_.once()
    assert receiver_.received == []
    assert (await attempts(outbox, upload_id))[0]["error"] == "secret_unreadable"
