"""Settings of delivery; each is `LONGSHORE_<FIELD>` in the environment."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.runtime.settings import ServiceSettings
from services.delivery.domain.schedule import STANDARD_SECONDS


class Settings(ServiceSettings):
    delivery_schedule_seconds: Annotated[tuple[Annotated[float, Field(ge=0)], ...], NoDecode, Field(min_length=1)] = (
        STANDARD_SECONDS
    )
    """Comma-separated pauses before each attempt, the first of them 0; after the last attempt a webhook has failed."""
    delivery_timeout_seconds: float = Field(default=15, gt=0, le=60)
    """From the connection to the head of the answer."""
    delivery_concurrency: int = Field(default=64, ge=1)
    """Webhooks on their way at a time, in one process."""
    delivery_receiver_concurrency: int = Field(default=4, ge=1)
    """Of these, to one receiver; one at a time while it fails."""
    delivery_poll_seconds: float = Field(default=1, gt=0)
    """How late a repeated attempt may be; first attempts do not wait for it."""
    delivery_retention_days: float = Field(default=30, gt=0)
    """How long webhooks and their attempts are kept after their end."""

    @field_validator("delivery_schedule_seconds", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return given.split(",") if isinstance(given, str) else given

    @field_validator("delivery_schedule_seconds")
    @classmethod
    def _begins_at_once(cls, seconds: tuple[float, ...]) -> tuple[float, ...]:
        if seconds[0] != 0:
            raise ValueError("the first attempt is made at once: the first pause must be 0")
        return seconds
