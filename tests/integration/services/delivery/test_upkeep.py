"""The service as it is built, and what it forgets."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from contracts.events import UploadExpired
from libs.object_store.disk import DiskStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.secret import new_key
from services.delivery.app import build
from services.delivery.jobs import Maintenance
from services.delivery.settings import Settings
from tests.integration.services.delivery.scene import (
    TENANT,
    an_upload,
    attempts,
    configured,
    happen,
    ready,
    receiver,
    rows,
    sender,
    status,
    webhook,
)


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(name)
    assert value is not None
    return value


async def test_webhooks_are_forgotten_after_their_retention_and_never_before_their_end(outbox: Outbox) -> None:
    # Given one webhook that ended 31 days ago, one that ended today, one that is 31 days old and still tried
    old, new, open_ = an_upload(), an_upload(), an_upload()
    async with receiver() as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(old, receiver_.url), *ready(new, receiver_.url)])
        await sender_.once()
    await happen(outbox, ready(open_, receiver_.url))
    await rows(outbox, "UPDATE webhooks SET ended_at = ended_at - interval '31 days' WHERE upload_id = $1", old)
    await rows(outbox, "UPDATE webhooks SET created_at = created_at - interval '31 days' WHERE upload_id = $1", open_)
    await rows(outbox, "UPDATE uploads SET updated_at = updated_at - interval '31 days' WHERE upload_id <> $1", new)
    # When
    maintenance = Maintenance(outbox, retention=timedelta(days=30))
    assert not await maintenance.once()
    # Then
    assert {row["upload_id"] for row in await rows(outbox, "SELECT upload_id FROM webhooks")} == {new, open_}
    assert {row["upload_id"] for row in await rows(outbox, "SELECT upload_id FROM uploads")} == {new, open_}
    assert len(await attempts(outbox, new)) == 1
    assert len(await rows(outbox, "SELECT FROM webhook_attempts")) == 1
    assert metric("longshore_webhooks_pending") == 1
    assert metric("longshore_webhooks_oldest_seconds") > timedelta(days=30).total_seconds()


async def test_attempts_and_ends_are_counted(outbox: Outbox) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    before = (
        counted("longshore_webhook_attempts_total", outcome="5xx"),
        counted("longshore_webhooks_ended_total", status="delivered"),
    )
    async with receiver(status(503), status(200)) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(an_upload(), receiver_.url)])
        while await sender_.once():
            pass
    assert counted("longshore_webhook_attempts_total", outcome="5xx") == before[0] + 1
    assert counted("longshore_webhooks_ended_total", status="delivered") == before[1] + 1


async def test_logs_name_the_receiver_and_neither_path_nor_query(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    async with receiver(status(500), status(200)) as receiver_, sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(an_upload(), receiver_.url)])
        while await sender_.once():
            pass
    logged = "".join(capsys.readouterr())
    assert receiver_.url.split("/")[2] in logged
    assert "private" not in logged
    assert "hook" not in logged.replace("webhook", "")


async def test_the_built_service_is_complete(database_dsn: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, postgres_dsn=SecretStr(database_dsn), secret_key=SecretStr(new_key()))
    service = build(settings, DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret"))
    assert set(service.loops) == {"webhooks", "webhook-replays", "upkeep", "publications", "publications-upkeep"}
    await service.outbox.database.open()
    for resource in service.resources:
        await resource.open()
        await resource.check()
    upload_id = an_upload()
    await happen(service.outbox, [UploadExpired(upload_id=upload_id, tenant_id=TENANT, version=3)])
    for resource in service.resources:
        await resource.close()
    await service.outbox.database.close()


def test_a_service_without_database_or_key_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LONGSHORE_SECRET_KEY"):
        build(Settings(), DiskStore(tmp_path / "objects", "http://127.0.0.1:1", "secret"))


async def test_a_webhook_of_a_receiver_without_a_host_is_refused_and_recorded(outbox: Outbox) -> None:
    upload_id = an_upload()
    async with sender(outbox) as sender_:
        await happen(outbox, [configured(), *ready(upload_id, "http://[::1")])
        await sender_.once()
    assert (await webhook(outbox, upload_id))["receiver"] == ""
    assert (await attempts(outbox, upload_id))[0]["error"] == "address_refused"
