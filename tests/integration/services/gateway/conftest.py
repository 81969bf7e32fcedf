"""A registered upload in a database of the test's own."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest_asyncio

from contracts.ids import TenantId, new_upload_id
from libs.object_store.disk import DiskStore
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.registration import Registration
from services.gateway.usecases.register import Registrar

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)


@pytest_asyncio.fixture
async def outbox(open_outbox: Callable[[str], Awaitable[Outbox]]) -> Outbox:
    return await open_outbox("gateway")


def registrar(outbox: Outbox) -> Registrar:
    """Its object store is one in which nothing lies."""
    return Registrar(outbox, DiskStore(Path("/nowhere"), "http://127.0.0.1:1", "secret"))


def registration(**fields: Any) -> Registration:
    values: dict[str, Any] = {
        "id": new_upload_id(),
        "tenant_id": TenantId(uuid4()),
        "dialect": "json2video",
        "registered_at": NOW,
        "url_expires_at": NOW + timedelta(minutes=2),
        "deadline_at": NOW + timedelta(minutes=17),
        "file_expires_at": None,
        "content_type": "video/mp4",
        "max_size_bytes": 1000,
        "size_bytes": 1000,
        "name": "clip.mp4",
        "holds_name": True,
    }
    return Registration(**{**values, **fields})


async def registered(outbox: Outbox, **fields: Any) -> Registration:
    new = registration(**fields)
    await registrar(outbox).register(new)
    return new
