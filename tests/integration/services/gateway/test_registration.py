"""Registrations share commits, and each has its own outcome."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from contracts.envelope import Envelope
from contracts.events import UploadAbortRequested, UploadRegistered
from contracts.ids import TenantId, new_upload_id
from libs.outbox.unit_of_work import Outbox, envelop
from services.gateway.domain.error import IdTakenError, NameTakenError
from services.gateway.store import RegistrationStore
from tests.integration.services.gateway.conftest import NOW, registrar, registration


async def envelopes(outbox: Outbox) -> list[Envelope]:
    async with outbox.database.connection() as connection:
        rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
    return [Envelope.model_validate_json(row["envelope"]) for row in rows]


async def test_of_many_that_want_one_name_one_gets_it(outbox: Outbox) -> None:
    one = registrar(outbox)
    tenant_id = TenantId(uuid4())
    wanted = [registration(tenant_id=tenant_id) for _ in range(20)]
    others = [registration(tenant_id=tenant_id, name=f"{number}.mp4") for number in range(20)]

    outcomes = await asyncio.gather(*map(one.register, [*wanted, *others]), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes[:20]].count(NameTakenError) == 19
    assert outcomes[20:] == [None] * 20
    registered = [envelope.event() for envelope in await envelopes(outbox)]
    assert len(registered) == 21
    assert {type(event) for event in registered} == {UploadRegistered}


async def test_files_without_a_name_never_collide(outbox: Outbox) -> None:
    one = registrar(outbox)
    tenant_id = TenantId(uuid4())

    await asyncio.gather(*(one.register(registration(tenant_id=tenant_id, name=None)) for _ in range(10)))

    assert len(await envelopes(outbox)) == 10


async def test_a_registration_that_is_repeated_is_one(outbox: Outbox) -> None:
    """As after a commit whose answer was lost."""
    new = registration()
    await registrar(outbox).register(new)
    await registrar(outbox).register(new)

    assert len(await envelopes(outbox)) == 1


async def test_several_that_replace_a_dead_registration_abort_it_once(outbox: Outbox) -> None:
    # 5.4.11
    tenant_id = TenantId(uuid4())
    dead = registration(tenant_id=tenant_id)
    await registrar(outbox).register(dead)
    later = NOW + timedelta(minutes=2)
    fresh = [
        registration(tenant_id=tenant_id, registered_at=later, url_expires_at=later + timedelta(minutes=2)) for _ in range(5)
    ]

    outcomes = await asyncio.gather(*map(registrar(outbox).register, fresh), return_exceptions=True)

    assert outcomes.count(None) == 1
    aborted = [e for e in await envelopes(outbox) if e.type == UploadAbortRequested.type]
    assert [envelope.subject for envelope in aborted] == [str(dead.id)]


async def test_a_row_that_the_database_refuses_harms_no_other(outbox: Outbox) -> None:
    one = registrar(outbox)
    wrong = registration(name="nul\0.mp4")
    right = [registration(name=f"{number}.mp4") for number in range(5)]

    outcomes = await asyncio.gather(*map(one.register, [*right, wrong]), return_exceptions=True)

    assert outcomes[:5] == [None] * 5
    assert isinstance(outcomes[5], Exception)


async def test_what_belongs_together_is_registered_together_or_not_at_all(outbox: Outbox) -> None:
    one = registrar(outbox)
    whole = [registration(name=f"{number}.jpg", holds_name=False) for number in range(3)]
    broken = [*(registration(name=f"{number}.jpg", holds_name=False) for number in range(3)), registration(name="nul\0.jpg")]

    outcomes = await asyncio.gather(one.register(*broken), one.register(*whole), return_exceptions=True)

    assert isinstance(outcomes[0], Exception)
    assert outcomes[1] is None
    assert {envelope.subject for envelope in await envelopes(outbox)} == {str(new.id) for new in whole}


async def test_a_group_that_is_repeated_is_one(outbox: Outbox) -> None:
    """As after a commit whose answer was lost."""
    group = [registration(name=None) for _ in range(3)]
    await registrar(outbox).register(*group)
    await registrar(outbox).register(*group)

    assert len(await envelopes(outbox)) == 3


async def test_a_conflicting_row_writes_no_event(outbox: Outbox) -> None:
    first, second = registration(), registration()
    second = registration(tenant_id=first.tenant_id)
    async with outbox.database.connection() as connection:
        store = RegistrationStore(connection)
        inserted = await store.insert([(new, [envelop(new.event(), source="gateway").encode()]) for new in (first, second)])

    [kept] = [new for new in (first, second) if new.staging_key in inserted]
    assert [envelope.subject for envelope in await envelopes(outbox)] == [str(kept.id)]


async def test_of_two_uploads_with_one_chosen_id_one_is_registered(outbox: Outbox) -> None:
    tenant_id, upload_id = TenantId(uuid4()), new_upload_id()
    both = [registration(id=upload_id, tenant_id=tenant_id, name=None, holds_name=False) for _ in range(2)]

    outcomes = await asyncio.gather(*map(registrar(outbox).register, both), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes].count(IdTakenError) == 1
    [envelope] = await envelopes(outbox)
    registered = envelope.event()
    assert isinstance(registered, UploadRegistered)
    assert registered.staging_key == both[outcomes.index(None)].staging_key


async def test_the_event_says_what_the_row_says(outbox: Outbox) -> None:
    new = registration(folder="videos", temporary=True, extension=".mp4")
    await registrar(outbox).register(new)

    [envelope] = await envelopes(outbox)
    event = envelope.event()

    assert isinstance(event, UploadRegistered)
    assert event.staging_key.startswith(f"staging/{new.id}/")
    assert event.object_key == f"files/{new.id}/original.mp4"
    assert (event.constraints.size_bytes, event.file_name, event.version) == (1000, "clip.mp4", 1)


async def test_a_waiter_that_leaves_is_not_written(outbox: Outbox) -> None:
    one = registrar(outbox)
    staying = asyncio.create_task(one.register(registration(name="a")))
    leaving = asyncio.create_task(one.register(registration(name="b")))
    leaving.cancel()

    await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert len(await envelopes(outbox)) == 1
