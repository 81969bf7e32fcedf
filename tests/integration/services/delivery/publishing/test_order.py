"""Accounts, requests and files come in any order and any number of times; each upload is published once to each account."""

from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from contracts.events import (
    Event,
    FileDeleted,
    FileExpired,
    PublicationRequested,
    Stage,
    UploadAborted,
    UploadExpired,
    UploadRejected,
)
from contracts.ids import new_upload_id, publication_id
from libs.object_store.port import ObjectStore
from tests.integration.services.delivery.publishing.rig import (
    BODY,
    TENANT,
    TRACE,
    Rig,
    about,
    account,
    folder_account,
    removed,
    requested,
    running,
    until,
)


async def test_an_upload_is_published_to_each_account_once(
    database_dsn: str, store: ObjectStore, tmp_path: Any
) -> None:  # T-19, T-21, T-22, T-23
    async with running(database_dsn, store, tmp_path) as rig:
        first, second = folder_account("one"), folder_account("two")
        event = await rig.publishes(first, second)
        for configured in (first, second):
            end = await rig.end(event, configured)
            identity = publication_id(event.upload_id, configured.account_id)
            assert await rig.steps(event, configured) == ["scheduled", "dispatching", "published"]
            folder = "one" if configured is first else "two"
            assert end.external_id == f"{folder}/{identity}-clip.mp4"
            assert (rig.published / end.external_id).read_bytes() == BODY
            assert (end.publication_id, end.attempts, end.error_code) == (identity, 1, None)
        assert len(rig.files()) == 2
        assert {e.correlation_id for e in await rig.envelopes()} == {TRACE}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_the_order_of_events_does_not_matter(rig: Rig, order: tuple[int, ...]) -> None:
    # Given an account, a request and a file, heard of in this order
    configured, completed = folder_account(), await rig.upload()
    event = requested(completed.upload_id, configured)
    events: list[Event] = [configured, event, completed]
    for number in order[:2]:
        await rig.hear(events[number])
        await rig.hear_again(events[number])
    if events[order[2]] is not event:
        assert await until(lambda: rig.steps(event)) == ["scheduled"]
    assert rig.files() == []

    # When the last one comes, and all of them again
    await rig.hear(events[order[2]])
    await rig.hear_again(*events)

    # Then it is published, once
    assert (await rig.end(event)).status == "published"
    await rig.hear_again(*events)
    assert await rig.steps(event) == ["scheduled", "dispatching", "published"]
    assert len(rig.files()) == 1


ENDS: list[tuple[type[Event], dict[str, Any], str]] = [
    (UploadRejected, {"code": "size_mismatch", "message": "y"}, "upload_rejected"),
    (UploadAborted, {"reason": "client"}, "upload_aborted"),
    (UploadExpired, {}, "upload_expired"),
    (FileDeleted, {"version": Stage.REMOVED}, "file_deleted"),
    (FileExpired, {"version": Stage.REMOVED}, "file_expired"),
]


@pytest.mark.parametrize(("kind", "fields", "code"), ENDS)
@pytest.mark.parametrize("request_is_first", [True, False])
async def test_an_upload_without_a_file_fails_everywhere(
    rig: Rig, kind: type[Event], fields: dict[str, Any], code: str, request_is_first: bool
) -> None:  # T-24
    first, second = folder_account("one"), folder_account("two")
    upload_id = new_upload_id()
    event, ended = requested(upload_id, first, second), about(upload_id, kind, **fields)
    await rig.hear(first, second)
    for heard in (event, ended) if request_is_first else (ended, event):
        await rig.hear(heard)
        await rig.hear_again(heard)
    for configured in (first, second):
        end = await rig.end(event, configured)
        assert (end.status, end.error_code, end.attempts) == ("failed", code, 0)
        assert end.error_message
        assert await rig.steps(event, configured) == ["scheduled", "failed"]
    assert rig.files() == []


async def test_a_file_that_was_deleted_before_its_time_came_is_not_published(rig: Rig) -> None:
    configured = folder_account()
    event = await rig.publishes(configured, due_at="2100-01-01T00:00:00Z")
    assert await rig.steps(event) == ["scheduled"]
    await rig.hear(about(event.upload_id, FileDeleted, version=Stage.REMOVED))
    end = await rig.end(event)
    assert (end.status, end.error_code) == ("failed", "file_deleted")


async def test_a_file_that_is_not_in_the_store_fails_with_the_reason_once_that_is_known(rig: Rig) -> None:
    configured, completed = folder_account(), await rig.upload()
    event = requested(completed.upload_id, configured)
    await rig.store.delete([completed.object.key])
    await rig.hear(configured, event, completed)
    end = await rig.end(event)
    assert (end.status, end.error_code) == ("failed", "file_missing")


@pytest.mark.parametrize("request_is_first", [True, False])
async def test_a_removed_account_is_published_to_no_more(rig: Rig, request_is_first: bool) -> None:
    configured, completed = folder_account(), await rig.upload()
    event = requested(completed.upload_id, configured)
    await rig.hear(configured)
    for heard in (event, removed(configured)) if request_is_first else (removed(configured), event):
        await rig.hear(heard)
    end = await rig.end(event)
    assert (end.status, end.error_code) == ("failed", "account_removed")
    await rig.hear(completed)
    assert await rig.steps(event) == ["scheduled", "failed"]
    [kept] = await rig.rows("SELECT sealed_settings FROM accounts")
    assert kept["sealed_settings"] == ""


async def test_an_older_revision_of_an_account_changes_nothing(rig: Rig) -> None:
    new = folder_account("new").model_copy(update={"revision": 2})
    old = folder_account("old").model_copy(update={"account_id": new.account_id})
    completed = await rig.upload()
    event = requested(completed.upload_id, new)
    await rig.hear(new, old, event, completed)
    assert str((await rig.end(event)).external_id).startswith("new/")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "youtube"}, "account_settings_invalid"),
        ({"tenant_id": UUID("11111111-1111-4111-8111-111111111111")}, "account_unknown"),
        ({"settings_encrypted": "not sealed by us"}, "account_settings_invalid"),
        ({"kind": "http"}, "account_settings_invalid"),
        ({"kind": "s3"}, "account_settings_invalid"),
    ],
)
async def test_an_account_that_cannot_be_used_fails_at_once(rig: Rig, changes: dict[str, Any], code: str) -> None:
    configured = account("directory", {"path": "secret-path"}).model_copy(update=changes)
    event = await rig.publishes(configured)
    end = await rig.end(event)
    assert (end.status, end.error_code) == ("failed", code)
    assert "secret-path" not in str(end.error_message)


async def test_an_account_outside_the_root_is_refused(rig: Rig, tmp_path: Any) -> None:
    rig.published.mkdir(parents=True)
    (rig.published / "link").symlink_to(tmp_path)
    for path in ("../elsewhere", "../../elsewhere", "/etc", "link/elsewhere"):
        event = await rig.publishes(folder_account(path))
        assert (await rig.end(event)).error_code == "account_settings_invalid"
    assert not (tmp_path / "elsewhere").exists()


async def test_a_request_for_no_account_is_nothing(rig: Rig) -> None:
    event = PublicationRequested(
        upload_id=new_upload_id(), tenant_id=TENANT, version=Stage.REGISTERED, account_ids=(), title="x"
    )
    await rig.hear(event)
    assert await rig.told_of_all() == {}
