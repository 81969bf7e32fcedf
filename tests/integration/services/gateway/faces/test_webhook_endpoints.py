"""A tenant's webhook endpoints over HTTP, and what is said of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from contracts.envelope import Envelope
from contracts.events import (
    DeliveryChanged,
    Event,
    WebhookEndpointConfigured,
    WebhookEndpointDisabled,
    WebhookPingRequested,
    WebhookReplayRequested,
)
from services.gateway.auth import key_hash
from services.gateway.jobs import PurgeDeliveryLog
from services.gateway.platform import webhook_endpoint
from services.gateway.store import TenantStore
from services.gateway.store.tenant import Tenant
from tests.clock import turn_clock
from tests.integration.services.gateway.faces.conftest import Gateway

PATH = "/platform/v1/webhook-endpoints"
URL = "https://hooks.invalid/in?token=private"


@dataclass
class Owner:
    """A tenant whose manager asks."""

    gateway: Gateway
    tenant: Tenant
    key: str

    async def call(self, method: str, path: str = "", json: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {"X-API-Key": key or self.key}
        async with self.gateway.client.request(method, PATH + path, headers=headers, json=json) as response:
            return response.status, await response.json() if response.content_length else None

    async def makes(self, **fields: Any) -> dict[str, Any]:
        status, created = await self.call("POST", json={"url": URL, **fields})
        assert status == 201, created
        return dict(created)

    async def said(self, event_type: type[Event]) -> list[Any]:
        async with self.gateway.outbox.database.connection() as connection:
            rows = await connection.fetch("SELECT unnest(envelopes) AS envelope FROM outbox ORDER BY id")
        envelopes = [Envelope.model_validate_json(row["envelope"]) for row in rows]
        return [envelope.event() for envelope in envelopes if envelope.type == event_type.type]

    async def delivered(
        self,
        endpoint: dict[str, Any],
        status: Literal["pending", "retrying", "delivered", "failed"],
        attempts: int,
        *,
        delivery_id: UUID,
        changed_at: datetime | None = None,
        **fields: Any,
    ) -> None:
        await self.gateway.happened(DeliveryChanged(
            delivery_id=delivery_id, tenant_id=self.tenant.id, endpoint_id=UUID(endpoint["id"]), event="upload.completed",
            target="hooks.invalid", status=status, attempts=attempts, changed_at=changed_at or datetime.now(UTC), **fields,
        ))  # fmt: skip


async def an_owner(gateway: Gateway, role: str = "manager") -> Owner:
    key = f"key-{uuid4()}"
    tenant = await gateway.tenant(f"viewer-{key}")
    async with gateway.outbox.database.transaction() as connection:
        await TenantStore(connection).insert_key(key_hash(key), tenant.id, role, "test")
    return Owner(gateway, tenant, key)


@pytest_asyncio.fixture
async def owner(gateway: Gateway) -> Owner:
    return await an_owner(gateway)


# ------------------------------------------------------------ the registry


async def test_an_endpoint_is_made_and_its_secret_shown_once(owner: Owner) -> None:
    created = await owner.makes(events=["upload.completed"], description=" Ours ")
    assert created["secret"].startswith("whsec_")
    assert (created["url"], created["description"], created["format"]) == (URL, "Ours", "standard")
    assert (created["enabled"], created["disabled_reason"], created["has_old_secret"]) == (True, None, False)

    status, shown = await owner.call("GET", f"/{created['id']}")
    assert status == 200
    assert shown == {name: value for name, value in created.items() if name != "secret"}

    (said,) = await owner.said(WebhookEndpointConfigured)
    assert (said.endpoint_id, said.news, said.revision) == (UUID(created["id"]), ("upload.completed",), 1)
    assert len(said.secrets_encrypted) == 1
    assert created["secret"] not in said.model_dump_json()


async def test_medialabs_names_stand_for_all_that_they_mean(owner: Owner) -> None:
    created = await owner.makes(format="medialab", events=["file_trash", "file_upload"])
    assert created["events"] == ["file_trash", "file_upload"]
    (said,) = await owner.said(WebhookEndpointConfigured)
    assert (said.format, set(said.news)) == ("medialab", {"file.deleted", "file.expired", "upload.completed"})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://127.0.0.1/in"}, "url_not_accepted"),
        ({"url": "http://169.254.169.254/latest"}, "url_not_accepted"),
        ({"url": "ftp://hooks.invalid/"}, "url_not_accepted"),
        ({"events": ["file_upload"]}, "unknown_event"),
        ({"format": "medialab", "events": ["upload.completed"]}, "unknown_event"),
        ({"format": "other"}, "invalid_request"),
        ({"secret": "mine"}, "invalid_request"),
        ({"url": None}, "invalid_request"),
    ],
)
async def test_what_cannot_be_is_refused(owner: Owner, fields: dict[str, Any], code: str) -> None:
    status, problem = await owner.call("POST", json={"url": URL, **fields})
    assert (status, problem["code"]) == (400, code)
    assert await owner.said(WebhookEndpointConfigured) == []


async def test_the_list_goes_page_by_page_and_shows_nobody_elses(owner: Owner, gateway: Gateway) -> None:
    made = [(await owner.makes())["id"] for _ in range(3)]
    await (await an_owner(gateway)).makes()

    _, first = await owner.call("GET", "?limit=2")
    _, second = await owner.call("GET", f"?limit=2&cursor={first['next_cursor']}")
    assert [one["id"] for page in (first, second) for one in page["endpoints"]] == made[::-1]
    assert second["next_cursor"] is None


async def test_disabling_and_enabling_and_a_new_address(owner: Owner) -> None:
    created = await owner.makes()
    _, disabled = await owner.call("PATCH", f"/{created['id']}", {"enabled": False})
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "owner")
    _, enabled = await owner.call("PATCH", f"/{created['id']}", {"enabled": True, "events": ["file.deleted"]})
    assert (enabled["enabled"], enabled["disabled_reason"], enabled["disabled_at"]) == (True, None, None)
    _, moved = await owner.call("PATCH", f"/{created['id']}", {"url": " https://other.invalid/a b%2f\n"})
    assert moved["url"] == "https://other.invalid/a b%2f"
    status, refused = await owner.call("PATCH", f"/{created['id']}", {"url": "http://10.0.0.1/"})
    assert (status, refused["code"]) == (400, "url_not_accepted")

    said = await owner.said(WebhookEndpointConfigured)
    assert [(one.revision, one.generation, one.enabled) for one in said] == [
        (1, 1, True),
        (2, 1, False),
        (3, 2, True),
        (4, 3, True),
    ]
    assert said[0].listens_since == said[1].listens_since < said[2].listens_since == said[3].listens_since


async def test_a_removed_endpoint_is_gone_and_delivery_is_told(owner: Owner) -> None:
    created = await owner.makes()
    assert (await owner.call("DELETE", f"/{created['id']}"))[0] == 204
    assert (await owner.call("DELETE", f"/{created['id']}"))[0] == 404
    assert (await owner.call("GET", f"/{created['id']}"))[0] == 404
    said = (await owner.said(WebhookEndpointConfigured))[-1]
    assert (said.removed, said.revision, said.secrets_encrypted) == (True, 2, ())


async def test_there_may_be_only_so_many(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_endpoint, "MAX_ENDPOINTS", 1)
    await owner.makes()
    status, problem = await owner.call("POST", json={"url": URL})
    assert (status, problem["code"]) == (409, "too_many_endpoints")


@pytest.mark.parametrize("role", ["viewer", "render", "editor"])
async def test_lesser_roles_may_not_even_look(gateway: Gateway, role: str) -> None:
    owner = await an_owner(gateway, role)
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{uuid4()}"), ("POST", f"/{uuid4()}/ping")):
        status, problem = await owner.call(method, path, {"url": URL} if method == "POST" else None)
        assert (status, problem["code"]) == (403, "insufficient_role")


async def test_an_admin_may_and_a_stranger_may_not(gateway: Gateway, owner: Owner) -> None:
    assert (await (await an_owner(gateway, "admin")).call("GET"))[0] == 200
    status, problem = await owner.call("GET", key="nobody")
    assert (status, problem["code"]) == (401, "unknown_key")


async def test_another_tenants_endpoint_is_not_there(gateway: Gateway, owner: Owner) -> None:
    created = await owner.makes()
    other = await an_owner(gateway)
    one = f"/{created['id']}"
    calls = [
        ("GET", one, None), ("PATCH", one, {"enabled": False}), ("DELETE", one, None), ("GET", f"{one}/deliveries", None),
        ("POST", f"{one}/rotate-secret", None), ("POST", f"{one}/revoke-secret", None), ("POST", f"{one}/ping", None),
        ("POST", f"{one}/replay", {"since": "2026-11-01T00:00:00Z"}), ("GET", "/not-an-id", None),
    ]  # fmt: skip
    for method, path, body in calls:
        assert (await other.call(method, path, body))[0] == 404, path
    assert len(await owner.said(WebhookEndpointConfigured)) == 1


# ------------------------------------------------------------ secrets


async def test_two_secrets_live_until_the_old_one_is_revoked(owner: Owner) -> None:
    created = await owner.makes()
    one = f"/{created['id']}"
    status, rotated = await owner.call("POST", f"{one}/rotate-secret")
    assert (status, rotated["has_old_secret"]) == (200, True)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != created["secret"]
    status, problem = await owner.call("POST", f"{one}/rotate-secret")
    assert (status, problem["code"]) == (409, "old_secret_lives")

    for _ in range(2):
        status, revoked = await owner.call("POST", f"{one}/revoke-secret")
        assert (status, revoked["has_old_secret"], "secret" in revoked) == (200, False, False)

    first, both, last = await owner.said(WebhookEndpointConfigured)
    assert both.secrets_encrypted[1] == first.secrets_encrypted[0]
    assert last.secrets_encrypted == both.secrets_encrypted[:1]


# ------------------------------------------------------------ giving up


def given_up(owner: Owner, endpoint: dict[str, Any], generation: int) -> WebhookEndpointDisabled:
    return WebhookEndpointDisabled(
        endpoint_id=UUID(endpoint["id"]), tenant_id=owner.tenant.id, generation=generation, reason="gone",
        disabled_at=datetime.now(UTC),
    )  # fmt: skip


async def test_an_endpoint_that_delivery_gave_up_says_why_and_can_be_enabled_again(owner: Owner, gateway: Gateway) -> None:
    created = await owner.makes()
    disabled = given_up(owner, created, 1)
    await gateway.happened(disabled, disabled)
    _, shown = await owner.call("GET", f"/{created['id']}")
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
    assert datetime.fromisoformat(shown["disabled_at"]) == disabled.disabled_at
    assert [one.enabled for one in await owner.said(WebhookEndpointConfigured)] == [True, False]

    await owner.call("PATCH", f"/{created['id']}", {"enabled": True})
    await gateway.happened(disabled)  # it comes again, much too late
    _, shown = await owner.call("GET", f"/{created['id']}")
    assert (shown["enabled"], shown["disabled_reason"]) == (True, None)


async def test_what_was_found_out_of_an_old_address_does_not_count(owner: Owner, gateway: Gateway) -> None:
    created = await owner.makes()
    await owner.call("PATCH", f"/{created['id']}", {"url": "https://other.invalid/"})
    await gateway.happened(given_up(owner, created, 1))
    assert (await owner.call("GET", f"/{created['id']}"))[1]["enabled"]


# ------------------------------------------------------------ the log


async def test_the_log_shows_each_attempt_in_whatever_order_they_were_told(owner: Owner) -> None:
    created = await owner.makes()
    delivery_id = uuid4()
    tell = owner.delivered
    await tell(created, "delivered", 2, delivery_id=delivery_id, response_status=200, elapsed_ms=12, response_excerpt="ok")
    await tell(created, "retrying", 1, delivery_id=delivery_id, error="timeout", elapsed_ms=15000)
    await tell(created, "pending", 0, delivery_id=delivery_id)

    _, page = await owner.call("GET", f"/{created['id']}/deliveries")
    (shown,) = page["deliveries"]
    assert (shown["id"], shown["event"], shown["status"], shown["upload_id"]) == (
        str(delivery_id),
        "upload.completed",
        "delivered",
        None,
    )
    assert [(a["attempt"], a["response_status"], a["error"], a["response_excerpt"]) for a in shown["attempts"]] == [
        (2, 200, None, "ok"),
        (1, None, "timeout", None),
    ]

    # A replay is newer than the end before it
    await tell(created, "pending", 2, delivery_id=delivery_id, replays=1)
    _, page = await owner.call("GET", f"/{created['id']}/deliveries")
    assert (page["deliveries"][0]["status"], page["deliveries"][0]["replays"]) == ("pending", 1)
    assert len(page["deliveries"][0]["attempts"]) == 2


async def test_the_log_goes_page_by_page_and_by_status(owner: Owner) -> None:
    created, other = await owner.makes(), await owner.makes()
    ids = [uuid4() for _ in range(5)]
    for number, delivery_id in enumerate(ids):
        await owner.delivered(created, "failed" if number % 2 else "delivered", 1, delivery_id=delivery_id)
    await owner.delivered(other, "failed", 1, delivery_id=uuid4())

    shown: list[str] = []
    cursor = ""
    while True:
        _, page = await owner.call("GET", f"/{created['id']}/deliveries?limit=2{cursor}")
        shown += [delivery["id"] for delivery in page["deliveries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert shown == [str(delivery_id) for delivery_id in reversed(ids)]
    _, failed = await owner.call("GET", f"/{created['id']}/deliveries?status=failed")
    assert [delivery["id"] for delivery in failed["deliveries"]] == [str(ids[3]), str(ids[1])]


async def test_an_upload_shows_what_endpoints_were_told_of_it(gateway: Gateway, owner: Owner) -> None:
    upload = await gateway.register(owner.tenant)
    created = await owner.makes()
    await owner.delivered(created, "delivered", 1, delivery_id=uuid4(), upload_id=upload.id, response_status=200)
    async with gateway.client.get(f"/platform/v1/uploads/{upload.id}", headers={"X-API-Key": owner.key}) as response:
        shown = await response.json()
    assert [(delivery["target"], delivery["status"]) for delivery in shown["deliveries"]] == [("hooks.invalid", "delivered")]


async def test_old_deliveries_leave_the_log(gateway: Gateway, owner: Owner) -> None:
    created = await owner.makes()
    long_ago = datetime.now(UTC) - timedelta(days=31)
    kept, waiting = uuid4(), uuid4()
    await owner.delivered(created, "failed", 1, delivery_id=uuid4(), changed_at=long_ago)
    await owner.delivered(created, "retrying", 1, delivery_id=waiting, changed_at=long_ago)
    await owner.delivered(created, "failed", 1, delivery_id=kept)
    assert not await PurgeDeliveryLog(gateway.outbox, retention=timedelta(days=30)).once()
    _, page = await owner.call("GET", f"/{created['id']}/deliveries")
    assert {delivery["id"] for delivery in page["deliveries"]} == {str(kept), str(waiting)}


async def test_deliveries_leave_the_log_by_the_databases_clock(
    gateway: Gateway, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await owner.makes()
    await owner.delivered(created, "failed", 1, delivery_id=uuid4())
    with monkeypatch.context() as turned:
        turn_clock(turned, timedelta(days=31).total_seconds())
        await PurgeDeliveryLog(gateway.outbox, retention=timedelta(days=30)).once()
    _, page = await owner.call("GET", f"/{created['id']}/deliveries")
    assert len(page["deliveries"]) == 1


# ------------------------------------------------------------ replay and ping


async def test_one_delivery_or_all_that_failed_can_be_asked_for_again(owner: Owner) -> None:
    created = await owner.makes()
    delivery_id = uuid4()
    await owner.delivered(created, "failed", 1, delivery_id=delivery_id)
    path = f"/{created['id']}/replay"
    status, first = await owner.call("POST", path, {"delivery_id": str(delivery_id)})
    assert status == 202
    status, second = await owner.call("POST", path, {"since": "2026-11-01T00:00:00+01:00"})
    assert status == 202

    one, since = await owner.said(WebhookReplayRequested)
    assert (str(one.replay_id), one.delivery_id, one.since) == (first["replay_id"], delivery_id, None)
    assert (str(since.replay_id), since.delivery_id) == (second["replay_id"], None)
    assert since.since == datetime(2026, 10, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"since": "2026-11-01T00:00:00"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"since": "9999-12-31T23:59:59-23:59"},
        {"since": "2026-11-01T00:00:00Z", "delivery_id": str(uuid4())},
    ],
)
async def test_a_replay_needs_one_of_both(owner: Owner, body: dict[str, Any]) -> None:
    created = await owner.makes()
    status, problem = await owner.call("POST", f"/{created['id']}/replay", body)
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_only_what_the_endpoints_log_shows_is_replayed(owner: Owner) -> None:
    created, other = await owner.makes(), await owner.makes()
    delivery_id = uuid4()
    await owner.delivered(other, "failed", 1, delivery_id=delivery_id)
    assert (await owner.call("POST", f"/{created['id']}/replay", {"delivery_id": str(delivery_id)}))[0] == 404
    assert await owner.said(WebhookReplayRequested) == []


async def test_a_ping_is_asked_for_under_the_id_that_it_will_have(owner: Owner) -> None:
    created = await owner.makes()
    status, answer = await owner.call("POST", f"/{created['id']}/ping")
    assert status == 202
    (said,) = await owner.said(WebhookPingRequested)
    assert (str(said.delivery_id), str(said.endpoint_id)) == (answer["delivery_id"], created["id"])


async def test_nothing_is_sent_to_a_disabled_endpoint(owner: Owner) -> None:
    created = await owner.makes()
    await owner.call("PATCH", f"/{created['id']}", {"enabled": False})
    for path, body in (("ping", None), ("replay", {"since": "2026-11-01T00:00:00Z"})):
        status, problem = await owner.call("POST", f"/{created['id']}/{path}", body)
        assert (status, problem["code"]) == (409, "endpoint_disabled")
