"""What `/platform/v1/webhook-endpoints` takes and answers."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.webhook import WebhookFormat
from services.gateway.domain.delivery_log import LoggedDelivery
from services.gateway.domain.webhook_endpoint import DisabledReason, WebhookEndpoint

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048)]
Description = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)]
Events = Annotated[list[Annotated[str, StringConstraints(max_length=50)]], Field(max_length=20)]


def _in_utc(at: datetime) -> datetime:
    """Raises ValueError where that is beyond the years 1 to 9999, which no database takes."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class EndpointChange(Asked):
    """What is not given stays as it is."""

    url: Url | None = None
    """`http` or `https`, a public address."""
    description: Description | None = None
    events: Events | None = None
    """What it is told, in the words of its format; empty: everything."""
    enabled: bool | None = None

    @model_validator(mode="after")
    def _no_nulls(self) -> Self:
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class EndpointRequest(Asked):
    url: Url
    """`http` or `https`, a public address."""
    description: Description = ""
    format: WebhookFormat = "standard"
    """Of the body; cannot be changed. Each format has its own names of events."""
    events: Events = []
    """What it is told: of `standard` e.g. `upload.completed`, of `medialab` e.g. `file_upload`; empty: everything."""


class EndpointView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)

    id: UUID
    url: str
    description: str
    format: WebhookFormat
    events: list[str]
    """Empty: everything."""
    enabled: bool
    disabled_reason: DisabledReason | None
    """`owner`: by a change; `gone`: it answered 410; `failing`: for days nothing but failures. Enabling it clears this."""
    disabled_at: datetime | None
    has_old_secret: bool
    """The secret before the last rotation signs, too, until it is revoked."""
    created_at: datetime
    updated_at: datetime


class EndpointWithSecret(EndpointView):
    secret: str
    """`whsec_…`, shown this once."""


class EndpointPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    endpoints: list[EndpointView]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class AttemptView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    attempt: int
    ended_at: datetime
    response_status: int | None
    error: str | None
    """Why there was no answer: `timeout`, `connect_failed`, `address_refused`, …; `endpoint_disabled`: nothing was sent."""
    elapsed_ms: int | None
    response_excerpt: str | None
    """The first 2048 characters of the answer."""


class EndpointDeliveryView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: UUID
    """The `webhook-id` that the receiver sees."""
    event: str
    """In the words of the endpoint's format, or `ping`."""
    upload_id: UUID | None
    status: Literal["pending", "retrying", "delivered", "failed"]
    replays: int
    next_attempt_at: datetime | None
    created_at: datetime
    changed_at: datetime
    attempts: list[AttemptView]
    """The last 20, the newest first."""


class EndpointDeliveryPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    deliveries: list[EndpointDeliveryView]
    """Newest first."""
    next_cursor: str | None


class ReplayRequest(Asked):
    """Either one delivery or all that have failed since a time."""

    delivery_id: UUID | None = None
    since: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.delivery_id is None) == (self.since is None):
            raise ValueError("either delivery_id or since must be given")
        return self


class ReplayView(BaseModel):
    replay_id: UUID


class PingView(BaseModel):
    delivery_id: UUID


class EndpointListQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None


class DeliveryListQuery(EndpointListQuery):
    status: Literal["pending", "retrying", "delivered", "failed"] | None = None


def to_view(endpoint: WebhookEndpoint) -> EndpointView:
    return EndpointView.model_validate(_shown(endpoint))


def with_secret(endpoint: WebhookEndpoint, secret: str) -> EndpointWithSecret:
    return EndpointWithSecret.model_validate({**_shown(endpoint), "secret": secret})


def to_delivery(delivery: LoggedDelivery) -> EndpointDeliveryView:
    return EndpointDeliveryView.model_validate(delivery, from_attributes=True)


def _shown(endpoint: WebhookEndpoint) -> dict[str, object]:
    fields = {name: getattr(endpoint, name) for name in EndpointView.model_fields if name != "has_old_secret"}
    return {**fields, "events": list(endpoint.events), "has_old_secret": endpoint.old_secret_sealed is not None}
