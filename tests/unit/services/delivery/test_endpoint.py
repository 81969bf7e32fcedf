"""When a webhook endpoint is given up."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.ids import TenantId
from services.delivery.domain.endpoint import EndpointHealth, health_after
from services.delivery.domain.webhook import Attempt

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PATIENCE = timedelta(days=5)
FRESH = EndpointHealth(uuid4(), TenantId(uuid4()), 1)


def attempt(status: int | None = None, error: str | None = None) -> Attempt:
    return Attempt(NOW, 1, response_status=status, error=error)


def failing_for(days: float) -> EndpointHealth:
    return EndpointHealth(FRESH.endpoint_id, FRESH.tenant_id, 1, NOW - timedelta(days=days))


def test_the_first_failure_is_remembered_and_the_next_ones_do_not_move_it() -> None:
    after, reason = health_after(FRESH, [attempt(500)], NOW, PATIENCE)
    assert (after.failing_since, reason) == (NOW, None)
    later, reason = health_after(after, [attempt(error="timeout")], NOW + timedelta(days=1), PATIENCE)
    assert (later.failing_since, reason) == (NOW, None)


@pytest.mark.parametrize(("days", "reason"), [(4.99, None), (5, "failing"), (50, "failing")])
def test_it_is_given_up_after_days_of_failures_alone(days: float, reason: str | None) -> None:
    assert health_after(failing_for(days), [attempt(302)], NOW, PATIENCE)[1] == reason


def test_one_success_excuses_the_failures() -> None:
    after, reason = health_after(failing_for(50), [attempt(500), attempt(204), attempt(500)], NOW, PATIENCE)
    assert (after.failing_since, reason) == (None, None)


@pytest.mark.parametrize("others", [[], [attempt(200)], [attempt(500)]])
def test_a_410_is_an_answer_for_good(others: list[Attempt]) -> None:
    assert health_after(FRESH, [attempt(410), *others], NOW, PATIENCE)[1] == "gone"


@pytest.mark.parametrize("error", ["endpoint_disabled", "endpoint_removed", "secret_unreadable", "internal"])
def test_our_own_errors_do_not_count(error: str) -> None:
    assert health_after(failing_for(50), [attempt(error=error)], NOW, PATIENCE) == (failing_for(50), None)
