"""Events in any order, any number of times, make the same picture of an upload."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import Envelope
from contracts.events import (
    EVENTS,
    AccountConfigured,
    DeliveryChanged,
    Event,
    FetchedUploadClosed,
    FileDeleted,
    FileDeleteRequested,
    FileExpired,
    FileInspected,
    FileRetentionChanged,
    ImageInfo,
    ObjectStored,
    ProcessingCompleted,
    ProcessingFailed,
    ProcessingProgressed,
    Rendition,
    Stage,
    StoredObject,
    StreamStarted,
    TenantConfigured,
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadRegistered,
    UploadRejected,
    WatchFolderConfigured,
    WebhookEndpointConfigured,
    WebhookPingRequested,
    WebhookReplayRequested,
    WebhookRequested,
)
from contracts.ids import TenantId, UploadId, new_upload_id
from libs.messaging.handler import event_types
from libs.outbox.unit_of_work import Outbox
from services.gateway.domain.registration import Registration
from services.gateway.domain.upload import State
from services.gateway.handlers import HANDLERS
from services.gateway.store import UploadStore
from services.gateway.store.upload import to_upload
from tests import messages
from tests.integration.services.gateway.conftest import NOW, registered, registration

DELIVERY = uuid4()


def life(new: Registration, ending: str) -> list[Event]:
    """Everything that is said about one upload, in its natural order."""
    about: dict[str, Any] = {"upload_id": new.id, "tenant_id": new.tenant_id}
    stored = StoredObject(key=new.object_key, size_bytes=1000, etag="e", content_type="video/mp4", stored_at=NOW)
    thumbnail = Rendition(name="t.jpg", kind="thumbnail", key="k", content_type="image/jpeg", size_bytes=1)
    inspected = FileInspected(
        **about, version=4, mime_type="image/png", size_bytes=1000, image=ImageInfo(format="png", width=1, height=1)
    )
    completed = [
        ObjectStored(**about, version=2, object=stored, noticed_by="reconciler"),
        UploadCompleted(**about, version=3, object=stored, completed_at=NOW),
        inspected,
        ProcessingProgressed(**about, version=4, percent=30),
        StreamStarted(**about, version=4, playlist="hls/master.m3u8"),
        ProcessingProgressed(**about, version=4, percent=70),
    ]
    ready = ProcessingCompleted(**about, version=5, mime_type="image/png", renditions=(thumbnail,), completed_at=NOW)
    match ending:
        case "ready":
            deliveries = [
                DeliveryChanged(
                    delivery_id=DELIVERY, **about, target="example.com", attempts=attempts, status=status, changed_at=NOW
                )
                for attempts, status in ((0, "pending"), (1, "retrying"), (2, "delivered"))
            ]
            return [*completed, ready, *deliveries]
        case "failed":
            return [*completed, ProcessingFailed(**about, version=5, code="unreadable_media", message="broken")]
        case "rejected":
            return [completed[0], UploadRejected(**about, version=3, code="size_mismatch", message="too long")]
        case "late":
            return [UploadExpired(**about, version=3), completed[0]]
        case "aborted":
            return [UploadAborted(**about, version=3, reason="client")]
        case "retained":
            changes = [
                FileRetentionChanged(**about, version=1, revision=n, file_expires_at=NOW + timedelta(days=n)) for n in (1, 2)
            ]
            return [*completed, ready, *changes, FileExpired(**about, version=9)]
        case _:
            return [*completed, ready, FileDeleted(**about, version=9)]


ENDINGS = {
    "ready": State.READY,
    "failed": State.PROCESSING_FAILED,
    "rejected": State.REJECTED,
    "late": State.EXPIRED,
    "aborted": State.ABORTED,
    "retained": State.FILE_EXPIRED,
    "deleted": State.DELETED,
}


async def handle(outbox: Outbox, events: Sequence[Event]) -> None:
    """All in one transaction, as the dispatcher does with a batch."""
    await messages.handle(outbox, HANDLERS, *events, time=NOW)


async def picture(outbox: Outbox, upload_id: UploadId) -> Any:
    async with outbox.database.connection() as connection:
        store = UploadStore(connection)
        return await store.find(upload_id), await store.timeline(upload_id), await store.deliveries(upload_id)


async def test_only_what_the_gateway_itself_says_or_makes_nothing_of_is_not_consumed() -> None:
    assert set(EVENTS) - set(event_types(HANDLERS)) == {
        TenantConfigured,
        UploadRegistered,
        WebhookRequested,
        AccountConfigured,
        WatchFolderConfigured,
        WebhookEndpointConfigured,
        WebhookReplayRequested,
        WebhookPingRequested,
        FetchedUploadClosed,
    }


async def test_each_ending_has_its_state(outbox: Outbox) -> None:
    for number, (ending, state) in enumerate(ENDINGS.items()):
        new = await registered(outbox, name=f"{number}.mp4")
        await handle(outbox, life(new, ending))

        upload, timeline, _ = await picture(outbox, new.id)
        assert (upload.state, upload.tenant_id) == (state, new.tenant_id), ending
        assert len(timeline) == len([event for event in life(new, ending) if not isinstance(event, ProcessingProgressed)])


async def test_facts_come_from_the_events_that_know_them(outbox: Outbox) -> None:
    new = await registered(outbox)
    await handle(outbox, life(new, "ready"))

    upload, timeline, [delivery] = await picture(outbox, new.id)

    assert (upload.size_bytes, upload.etag, upload.mime_type, upload.progress_percent) == (1000, "e", "image/png", 70)
    assert upload.image["format"] == "png"
    assert [rendition["name"] for rendition in upload.renditions] == ["t.jpg"]
    assert upload.stream_playlist == "hls/master.m3u8"
    assert [entry.type for entry in timeline][:2] == ["object.stored.v1", "upload.completed.v1"]
    assert (delivery.status, delivery.attempts) == ("delivered", 2)
    assert new.staging_key not in str(timeline)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
async def test_the_order_and_number_of_events_does_not_matter(outbox: Outbox, data: st.DataObject) -> None:
    """Property: a shuffled life with repetitions ends in the picture that the natural order makes."""
    ending = data.draw(st.sampled_from(sorted(ENDINGS)))
    tenant_id = TenantId(uuid4())
    usual = await registered(outbox, tenant_id=tenant_id, name="usual")
    shuffled = await registered(outbox, tenant_id=tenant_id, name="shuffled")
    order = data.draw(st.permutations(range(len(life(shuffled, ending)))))
    repeated = data.draw(st.lists(st.sampled_from(order), max_size=4))
    events = life(shuffled, ending)
    async with outbox.database.connection() as connection:
        await connection.execute("DELETE FROM deliveries")
    await handle(outbox, life(usual, ending))
    expected = _comparable(await picture(outbox, usual.id))
    async with outbox.database.connection() as connection:
        await connection.execute("DELETE FROM deliveries")

    await handle(outbox, [events[index] for index in (*order, *repeated)])

    assert _comparable(await picture(outbox, shuffled.id)) == expected


async def test_an_upload_is_shown_no_farther_than_what_is_known_of_it(outbox: Outbox) -> None:  # U-23
    """A client that polls must never see a file that is ready and yet not described."""
    told = (UploadCompleted, FileInspected, ProcessingCompleted)
    verified, inspected, ready = [event for event in life(registration(), "ready") if isinstance(event, told)]
    for order in itertools.permutations([verified, inspected, ready]):
        new = await registered(outbox, tenant_id=TenantId(uuid4()))
        come: set[Event] = set()
        for event in order:
            own = event.model_copy(update={"upload_id": new.id, "tenant_id": new.tenant_id})
            await handle(outbox, [own])
            come.add(event)
            upload, _, _ = await picture(outbox, new.id)

            assert (upload.state is State.READY, upload.ready) == (len(come) == 3,) * 2, order
            assert upload.inspected == ({verified, inspected} <= come), order
            assert (upload.version == Stage.PROCESSED) == (len(come) == 3), order


def _comparable(found: Any) -> Any:
    upload, timeline, deliveries = found
    own = {"id", "name", "staging_key", "object_key"}
    facts = {name: value for name, value in vars(upload).items() if name not in own}
    lines = sorted((entry.type, entry.version, str(entry.summary)) for entry in timeline)
    return facts, lines, [(delivery.status, delivery.attempts) for delivery in deliveries]


async def test_a_name_is_free_once_its_file_is_gone(outbox: Outbox) -> None:
    tenant_id = TenantId(uuid4())
    for ending in ("rejected", "late", "aborted", "retained", "deleted"):
        new = await registered(outbox, tenant_id=tenant_id)
        await handle(outbox, life(new, ending))
    await registered(outbox, tenant_id=tenant_id)


async def test_an_unwanted_file_is_deleted_once_it_completes(outbox: Outbox) -> None:
    new = await registered(outbox)
    async with outbox.database.connection() as connection:
        await UploadStore(connection).give_up(new.id, NOW)
    completed = life(new, "ready")[1]

    for _ in range(2):
        await handle(outbox, [completed])

    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox")
    envelopes = [Envelope.model_validate_json(row["envelope"]) for row in rows]
    # Whoever hears it twice knows by its id that it is the same event.
    assert len({envelope.id for envelope in envelopes if envelope.type == FileDeleteRequested.type}) == 1


async def test_an_event_about_an_unknown_upload_changes_nothing(outbox: Outbox) -> None:
    await handle(outbox, life(registration(id=new_upload_id()), "ready"))

    async with outbox.database.connection() as connection:
        assert [to_upload(row) for row in await connection.fetch("SELECT * FROM uploads")] == []


def test_a_stage_orders_what_it_names() -> None:
    stages = [Stage.REGISTERED, Stage.STORED, Stage.CLOSED, Stage.INSPECTED, Stage.PROCESSED, Stage.REMOVED]
    assert all(before < after for before, after in itertools.pairwise(stages))
