from datetime import UTC, datetime
from uuid import UUID

import pytest

from contracts.ids import UploadId
from services.delivery.domain.schedule import Schedule
from services.delivery.domain.webhook import Attempt, Step, receiver_of, step_after, webhook_id

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
UPLOAD = UploadId(UUID("22222222-2222-4222-8222-222222222222"))
SCHEDULE = Schedule((0, 10, 20), uniform=min)


def attempt(status: int | None = None, *, error: str | None = None, asked: float | None = None) -> Attempt:
    return Attempt(NOW, 5, response_status=status, error=error, asked_seconds=asked)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_only_2xx_delivers(status: int) -> None:
    assert step_after(attempt(status), 1, SCHEDULE) == Step("delivered")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_any_other_answer_is_tried_again(status: int) -> None:
    assert step_after(attempt(status), 1, SCHEDULE) == Step("retrying", 9)


def test_no_answer_is_tried_again() -> None:
    assert step_after(attempt(error="timeout"), 2, SCHEDULE) == Step("retrying", 18)


def test_410_ends_it_at_once() -> None:
    assert step_after(attempt(410), 1, SCHEDULE) == Step("failed")


def test_the_last_attempt_ends_it() -> None:
    assert step_after(attempt(500), 3, SCHEDULE) == Step("failed")
    assert step_after(attempt(200), 3, SCHEDULE) == Step("delivered")


def test_an_attempts_outcome_is_its_error_or_the_class_of_its_status() -> None:
    assert [attempt(204).outcome, attempt(503).outcome, attempt(error="timeout").outcome] == ["2xx", "5xx", "timeout"]


def test_a_webhooks_id_depends_on_upload_and_purpose_alone() -> None:
    assert webhook_id(UPLOAD, "callback") == webhook_id(UPLOAD, "callback")
    assert webhook_id(UPLOAD, "callback") != webhook_id(UPLOAD, "other")
    assert webhook_id(UPLOAD, "callback") != UPLOAD


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://example.com/hook?token=private#x", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("http://example.com:8080/", "example.com:8080"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("http://[::1]:9000/", "[::1]:9000"),
        ("http://[::1", ""),
    ],
)
def test_a_receiver_is_named_by_host_and_unusual_port(url: str, receiver: str) -> None:
    assert receiver_of(url) == receiver
