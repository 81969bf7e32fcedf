"""An upload in parts: whichever way it ends, nothing of it stays open in the store."""

from typing import Any

import pytest

from contracts.events import Event, FetchFailed, FileDeleteRequested, Stage, UploadAbortRequested, UploadRegistered
from libs.object_store.disk import DiskStore
from libs.object_store.port import MultipartNotFoundError, StoreUnavailableError
from services.session.domain.session import State
from tests.integration.services.session.conftest import Sessions, registered_event, stored_event


async def begin(sessions: Sessions, **changes: Any) -> UploadRegistered:
    """Registered, with one part that came in."""
    named = registered_event()
    multipart_id = await sessions.store.start_multipart(named.staging_key, content_type="image/png")
    store = sessions.store
    assert isinstance(store, DiskStore)
    incoming = store.files.create()
    incoming.write(b"bytes")
    await store.run(store.multipart.commit, incoming, named.staging_key, multipart_id, 1)
    registered = named.model_copy(update={"transfer": "multipart", "multipart_id": multipart_id, **changes})
    await sessions.hear(registered)
    return registered


async def finish(sessions: Sessions, registered: UploadRegistered) -> None:
    """What the gateway does at the client's completion call, and what is noticed of it."""
    assert registered.multipart_id is not None
    parts = await sessions.store.list_parts(registered.staging_key, registered.multipart_id)
    found = await sessions.store.complete_multipart(registered.staging_key, registered.multipart_id, parts)
    await sessions.hear(stored_event(registered, found))


def about(registered: UploadRegistered, event_class: type[Event], **values: object) -> Event:
    ids = {"upload_id": registered.upload_id, "tenant_id": registered.tenant_id, "version": Stage.REGISTERED}
    return event_class.model_validate(ids | values)


async def open_multiparts(sessions: Sessions) -> list[str]:
    return [found.multipart_id async for page in sessions.store.list_multiparts("") for found in page]


async def test_parts_that_were_put_together_are_promoted(sessions: Sessions) -> None:
    registered = await begin(sessions)
    await finish(sessions, registered)
    await sessions.promotion().once()
    await sessions.cleanup.once()
    assert await sessions.names_told(registered) == ["UploadCompleted"]
    assert await sessions.keys() == [registered.object_key]


async def test_an_upload_in_parts_that_nobody_finishes_expires_and_is_closed(sessions: Sessions) -> None:
    registered, other = await begin(sessions), await begin(sessions)
    await sessions.change(registered, "deadline_at = now()")
    await sessions.deadline.once()
    await sessions.cleanup.once()
    assert await sessions.names_told(registered) == ["UploadExpired"]
    assert await open_multiparts(sessions) == [other.multipart_id]


@pytest.mark.parametrize(
    ("event_class", "values", "told"),
    [
        (UploadAbortRequested, {"reason": "client"}, "UploadAborted"),
        (FileDeleteRequested, {}, "UploadAborted"),
        (FetchFailed, {"code": "fetch_timeout", "message": "too slow"}, "UploadRejected"),
    ],
)
async def test_an_upload_in_parts_that_ends_otherwise_is_closed(
    sessions: Sessions, event_class: type[Event], values: dict[str, object], told: str
) -> None:
    registered = await begin(sessions)
    await sessions.hear(about(registered, event_class, **values))
    await sessions.cleanup.once()
    assert await sessions.names_told(registered) == [told]
    assert await open_multiparts(sessions) == []
    assert registered.multipart_id is not None
    with pytest.raises(MultipartNotFoundError):
        await sessions.store.list_parts(registered.staging_key, registered.multipart_id)


async def test_an_abort_that_is_heard_of_before_the_registration_closes_it_all_the_same(sessions: Sessions) -> None:
    registered = registered_event()
    await sessions.hear(about(registered, UploadAbortRequested, reason="client"))
    multipart_id = await sessions.store.start_multipart(registered.staging_key, content_type="image/png")
    await sessions.hear(registered.model_copy(update={"transfer": "multipart", "multipart_id": multipart_id}))
    await sessions.cleanup.once()
    assert await open_multiparts(sessions) == []


async def test_an_upload_whose_bytes_came_in_another_way_is_closed_too(sessions: Sessions) -> None:
    registered = await begin(sessions)
    await sessions.hear(stored_event(registered, await sessions.put(registered, b"bytes")))
    await sessions.promotion().once()
    await sessions.cleanup.once()
    assert (await sessions.session(registered)).state is State.COMPLETED
    assert await open_multiparts(sessions) == []


async def test_a_store_that_does_not_abort_is_asked_again(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = await begin(sessions)
    await sessions.hear(about(registered, UploadAbortRequested, reason="client"))

    async def refuse(_key: str, _multipart_id: str) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patched:
        patched.setattr(sessions.store, "abort_multipart", refuse)
        assert not await sessions.cleanup.once()
    assert len(await open_multiparts(sessions)) == 1
    await sessions.change(registered, "cleanup_at = now()")
    assert await sessions.cleanup.once()
    assert await open_multiparts(sessions) == []
