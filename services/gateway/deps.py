"""What the gateway's HTTP faces are given; filled in once by `app`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.egress.policy import Policy
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.secret import SecretBox
from services.gateway.auth import Authenticator, Operators
from services.gateway.bearer import Bearers
from services.gateway.projects import Projects
from services.gateway.usecases.register import Registrar
from services.gateway.usecases.submit import Submitter

UNDECLARED_BYTES: Final = 2**30
"""What an upload of undeclared size is taken for when it comes to how long it may take."""


@dataclass(frozen=True)
class Limits:
    """Sizes and times that the settings decide."""

    max_upload_bytes: int
    retention: timedelta
    temporary: timedelta
    eachlabs_url: timedelta
    json2video_url: timedelta
    uploadcare_part_url: timedelta
    medialab_upload: timedelta
    upload24_url: timedelta
    upload24_session: timedelta
    put_grace: timedelta
    put_bytes_per_second: int
    free_allowance_bytes: int
    credits_per_week: float

    def put_deadline(self, url_expires_at: datetime, size_bytes: int | None) -> datetime:
        """When no PUT that began before `url_expires_at` is waited for any more (decision 5.4.10: long ones finish)."""
        expected_bytes = min(UNDECLARED_BYTES, self.max_upload_bytes) if size_bytes is None else size_bytes
        return url_expires_at + max(self.put_grace, timedelta(seconds=expected_bytes / self.put_bytes_per_second))


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Deps:
    base_url: str
    """The address that clients use, without a slash at its end."""
    outbox: Outbox
    auth: Authenticator
    private_tokens: Authenticator
    """Of the MediaLab API."""
    bearers: Bearers
    operators: Operators
    projects: Projects
    secrets_box: SecretBox
    registrar: Registrar
    submitter: Submitter
    objects: ObjectStore
    egress: Policy
    """Where addresses that users supply may lead."""
    limits: Limits
    scans: bool = False
    """Uploads are scanned for viruses: whether one is accepted is worth waiting for."""
    clock: Clock = utc_now

    @property
    def database(self) -> Database:
        return self.outbox.database
