"""What the gateway's HTTP faces are given; filled in once by `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from libs.egress.policy import Policy
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from services.gateway.auth import Authenticator
from services.gateway.usecases.register import Registrar


@dataclass(frozen=True)
class Limits:
    """Sizes and times that the settings decide."""

    max_upload_bytes: int
    retention: timedelta
    temporary: timedelta
    eachlabs_url: timedelta
    json2video_url: timedelta
    put_grace: timedelta
    free_allowance_bytes: int
    credits_per_week: float


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Deps:
    base_url: str
    """The address that clients use, without a slash at its end."""
    outbox: Outbox
    auth: Authenticator
    registrar: Registrar
    objects: ObjectStore
    callbacks: Policy
    """Where callback addresses may lead."""
    limits: Limits
    clock: Clock = utc_now

    @property
    def database(self) -> Database:
        return self.outbox.database
