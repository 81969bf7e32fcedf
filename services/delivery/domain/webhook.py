"""A webhook: one announcement to one receiver, and what became of an attempt."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID, uuid5

from yarl import URL

from contracts.ids import DeliveryId, TenantId, UploadId
from services.delivery.domain.receiver_limit import Reply
from services.delivery.domain.schedule import Schedule

Status = Literal["pending", "retrying", "delivered", "failed"]
Format = Literal["standard", "uploadcare", "medialab"]
"""How it is signed, see `adapters.signature`."""

WEBHOOKS: Final = "webhooks"
"""The wake-up that the sender waits for: a webhook may be due."""

GONE: Final = 410
THROTTLED: Final = frozenset({429, 503})
FIRST_SERVER_ERROR: Final = 500
UNREACHABLE: Final = frozenset({"timeout", "name_unresolved", "connect_failed", "tls_failed", "disconnected"})
"""The errors of a receiver that does not answer."""

Refusal = Literal["endpoint_disabled", "endpoint_removed"]
REFUSALS: Final[frozenset[str]] = frozenset(get_args(Refusal))
"""Errors with which a webhook that is due ends without an attempt."""
OUR_ERRORS: Final = REFUSALS | {"secret_unreadable", "internal"}
"""Those that say nothing about the receiver."""
UNSENT: Final = OUR_ERRORS | {"address_refused"}
"""Those with which it was not even called."""

_NAMESPACE: Final = UUID("0f5b3c52-6c0e-5f0e-8a53-9a7f6d0b7c21")


@dataclass(frozen=True)
class Webhook:
    id: DeliveryId
    """Also the `webhook-id` that the receiver sees, the same at each attempt."""
    upload_id: UploadId | None
    """None: it tells of no upload."""
    tenant_id: TenantId
    url: str
    receiver: str
    body: bytes
    """Serialised once; every attempt sends these bytes."""
    traceparent: str | None
    format: Format = "standard"
    sealed_secret: str | None = None
    """The receiver's own. A `standard` webhook is signed with its tenant's, one to an endpoint with the endpoint's."""
    endpoint_id: UUID | None = None
    event: str | None = None
    """What an endpoint is told, in the words of its format."""
    attempts: int = 0
    attempts_before: int = 0
    """The last replay, with which the schedule began again."""
    replays: int = 0


@dataclass(frozen=True)
class Attempt:
    """One try. Either `response_status` is set or `error`."""

    started_at: datetime
    elapsed_ms: int
    response_status: int | None = None
    error: str | None = None
    detail: str | None = None
    excerpt: str | None = None
    """The beginning of the answer's body."""
    asked_seconds: float | None = None
    """The receiver's Retry-After, where its status makes it one."""

    @property
    def is_success(self) -> bool:
        return self.response_status is not None and 200 <= self.response_status < 300

    @property
    def outcome(self) -> str:
        """For the metrics: the error's code, or the class of the status, e.g. `2xx`."""
        return self.error or f"{(self.response_status or 0) // 100}xx"

    @property
    def reply(self) -> Reply | None:
        """What it says of how many webhooks its receiver can take; None where that is nothing."""
        if self.error is not None:
            return None if self.error in UNSENT else "unreachable" if self.error in UNREACHABLE else "bad"
        if self.response_status in THROTTLED:
            return "throttled"
        return "good" if (self.response_status or 0) < FIRST_SERVER_ERROR else "bad"


@dataclass(frozen=True)
class Step:
    """What an attempt leads to."""

    status: Status
    pause_seconds: float | None = None
    """Until the next attempt; None when there is none."""

    @property
    def pause(self) -> timedelta | None:
        return None if self.pause_seconds is None else timedelta(seconds=self.pause_seconds)


def webhook_id(upload_id: UploadId, purpose: str) -> DeliveryId:
    return DeliveryId(uuid5(_NAMESPACE, f"{upload_id}:{purpose}"))


def receiver_of(url: str) -> str:
    """Host, and port where it is not the usual one: what may be logged, and shares a limit."""
    try:
        return URL(url).host_port_subcomponent or ""
    except ValueError:  # then no attempt will leave this machine either
        return ""


def step_after(attempt: Attempt, attempts: int, schedule: Schedule) -> Step:
    """`attempts` counts this one. Only 2xx is a success; 410 asks never to be called again."""
    if attempt.is_success:
        return Step("delivered")
    final = attempt.response_status == GONE or attempt.error in REFUSALS
    pause = None if final else schedule.pause_after(attempts, attempt.asked_seconds)
    return Step("failed") if pause is None else Step("retrying", pause)
