"""Settings of delivery; each is `LONGSHORE_<FIELD>` in the environment."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.runtime.settings import ServiceSettings
from services.delivery.domain.schedule import STANDARD_SECONDS
from services.delivery.publishing.domain.publication import STANDARD_SECONDS as PUBLICATION_SECONDS


class Settings(ServiceSettings):
    delivery_schedule_seconds: Annotated[tuple[Annotated[float, Field(ge=0)], ...], NoDecode, Field(min_length=1)] = (
        STANDARD_SECONDS
    )
    """Comma-separated pauses before each attempt, the first of them 0; after the last attempt a webhook has failed."""
    delivery_timeout_seconds: float = Field(default=15, gt=0, le=60)
    """From the connection to the head of the answer."""
    delivery_concurrency: int = Field(default=512, ge=1)
    """Webhooks on their way at a time, in one process; each has a connection, and half as many more wait for the next one."""
    delivery_receiver_concurrency: int = Field(default=64, ge=1)
    """Of these, to one receiver at most; it begins with four and gets more while it answers quickly."""
    delivery_keep_alive_seconds: float = Field(default=30, gt=0, le=300)
    """How long a connection to a receiver waits for the next webhook."""
    delivery_poll_seconds: float = Field(default=1, gt=0)
    """How late a repeated attempt may be; first attempts do not wait for it."""
    delivery_disable_days: float = Field(default=5, gt=0)
    """A webhook endpoint that answers nothing but failures for so long is told nothing more until its owner enables it."""
    delivery_retention_days: float = Field(default=30, gt=0)
    """How long webhooks and their attempts are kept after their end."""

    delivery_publication_schedule_seconds: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], NoDecode, Field(min_length=1)
    ] = PUBLICATION_SECONDS
    """The same for publications, after failures that may pass."""
    delivery_publication_concurrency: int = Field(default=32, ge=1)
    """Publications under way at a time, in one process; each needs some 2 MB."""
    delivery_account_concurrency: int = Field(default=4, ge=1)
    """Of these, to one account, in all processes together; one at a time while its destination does not answer."""
    delivery_tenant_concurrency: int = Field(default=24, ge=1)
    """Of these, for one tenant, in one process: the others' wait for no destination of its."""
    delivery_publication_lease_seconds: float = Field(default=60, gt=0)
    """After a worker died, another takes its publications over this much later."""
    delivery_upload_seconds: float = Field(default=21600, gt=0)
    """For one request that brings a file, or a part of it, to its destination."""
    delivery_idle_seconds: float = Field(default=120, gt=0)
    """For a destination that takes nothing, and for its answer when it has everything."""
    delivery_directory_root: Path | None = None
    """Accounts of kind `directory` lie below it; default `<data_dir>/published`."""
    delivery_youtube_api_url: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+$")] = "https://www.googleapis.com"
    """Where the YouTube Data API v3 is: scheme, host and port."""
    delivery_youtube_token_url: Annotated[str, Field(pattern=r"^https?://[^?#@\s]+$")] = "https://oauth2.googleapis.com/token"  # noqa: S105
    """Where refresh tokens of accounts of kind `youtube` are exchanged."""
    delivery_youtube_processing_seconds: float = Field(default=300, gt=0)
    """How long one attempt waits for YouTube to process a video; the next attempt goes on waiting."""

    @field_validator("delivery_schedule_seconds", "delivery_publication_schedule_seconds", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return given.split(",") if isinstance(given, str) else given

    @field_validator("delivery_schedule_seconds", "delivery_publication_schedule_seconds")
    @classmethod
    def _begins_at_once(cls, seconds: tuple[float, ...]) -> tuple[float, ...]:
        if seconds[0] != 0:
            raise ValueError("the first attempt is made at once: the first pause must be 0")
        return seconds
