"""Endpoints that answer 410, or nothing but failures for days, are told nothing more."""

from datetime import timedelta

from libs.outbox.unit_of_work import Outbox
from tests.integration.services.delivery.endpoints.scene import Endpoint, changes, given_up, webhooks
from tests.integration.services.delivery.scene import an_upload, completed, happen, processed, receiver, rows, sender, status


async def test_after_a_410_it_is_told_nothing_more_until_it_is_enabled_again(outbox: Outbox) -> None:
    async with receiver(status(410)) as receiver_, sender(outbox) as sender_:
        endpoint = Endpoint(receiver_.url)
        upload_id = an_upload()
        await happen(outbox, [endpoint.configured(), completed(upload_id)])
        await sender_.once()
        (disabled,) = await given_up(outbox)
        assert (disabled.endpoint_id, disabled.generation, disabled.reason) == (endpoint.id, 1, "gone")

        # A change that its owner made without knowing does not bring it back
        await happen(outbox, [endpoint.changed(news=()).configured(), processed(upload_id)])
        assert not await sender_.once()

        # Enabling it does
        receiver_.answers = [status(200)]
        await happen(outbox, [endpoint.changed().changed(generation=2).configured(), completed(an_upload())])
        assert await sender_.once()

    assert len(receiver_.received) == 2


async def test_failures_alone_for_days_disable_it_once(outbox: Outbox) -> None:
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0, 0, 0), patience=timedelta(days=5)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload()), completed(an_upload())])
        await sender_.once()
        assert await given_up(outbox) == []

        await rows(outbox, "UPDATE endpoints SET failing_since = failing_since - interval '5 days'")
        await sender_.once()
        while await sender_.once():
            pass

    (disabled,) = await given_up(outbox)
    assert (disabled.endpoint_id, disabled.reason) == (endpoint.id, "failing")
    assert len(receiver_.received) == 4
    assert {w["status"] for w in await webhooks(outbox)} == {"failed"}
    assert {c.error for c in await changes(outbox) if c.status == "failed"} == {"endpoint_disabled"}


async def test_a_success_begins_the_count_anew(outbox: Outbox) -> None:
    async with receiver(status(500), status(200), status(500)) as receiver_, sender(outbox, seconds=(0, 0)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        await sender_.once()
        await rows(outbox, "UPDATE endpoints SET failing_since = failing_since - interval '6 days'")
        await sender_.once()
        assert [row["failing_since"] for row in await rows(outbox, "SELECT failing_since FROM endpoints")] == [None]
        await happen(outbox, [completed(an_upload())])
        await sender_.once()

    assert await given_up(outbox) == []


async def test_an_address_that_may_not_be_called_counts_as_a_failure(outbox: Outbox) -> None:
    async with receiver() as receiver_, sender(outbox, allow="", patience=timedelta(0)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        await sender_.once()

    assert receiver_.received == []
    assert [disabled.reason for disabled in await given_up(outbox)] == ["failing"]


async def test_failures_at_an_old_address_do_not_count_against_the_new_one(outbox: Outbox) -> None:
    async with receiver(status(500)) as receiver_, sender(outbox, seconds=(0,)) as sender_:
        endpoint = Endpoint(receiver_.url)
        await happen(outbox, [endpoint.configured(), completed(an_upload())])
        await sender_.once()
        await happen(outbox, [endpoint.changed(generation=2).configured()])

    assert [row["failing_since"] for row in await rows(outbox, "SELECT failing_since FROM endpoints")] == [None]
