"""From stored bytes to a completed upload, whatever happens in between."""

from collections.abc import Callable

from contracts.events import UploadCompleted, UploadRegistered
from tests.integration.services.session.conftest import Sessions, stored_event

Registration = Callable[..., UploadRegistered]


async def test_stored_bytes_are_verified_promoted_and_announced(sessions: Sessions, registration: Registration) -> None:
    # J-14
    registered = registration(file_name="cat.png")
    await sessions.hear(registered)
    await sessions.hear(stored_event(registered, await sessions.put(registered, b"bytes")))

    assert await sessions.promotion().once()
    assert await sessions.cleanup.once()

    (completed,) = await sessions.told(registered)
    assert isinstance(completed, UploadCompleted)
    assert completed.object.key == registered.object_key
    assert (completed.object.size_bytes, completed.object.content_type) == (5, "image/png")
    assert completed.file_name == "cat.png"
    assert await sessions.keys() == [registered.object_key]
    assert not await sessions.promotion().once()
