"""Settings of the storage notification service."""

from pydantic import Field, SecretStr

from libs.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    storage_events_token: SecretStr | None = None
    """What the store sends as `Authorization: Bearer …` to `/internal/storage-events`; without it nobody may."""
    storage_events_queue: str | None = None
    """A queue on the bus into which the store publishes its notifications, where it does."""
    storage_reconcile_seconds: float = Field(default=5, gt=0)
    """Pause between two looks at what lies in `staging/`."""
    storage_grace_seconds: float = Field(default=2, ge=0)
    """How long a notification may take before the reconciler announces the object itself."""
    storage_stray_hours: float = Field(default=24, gt=0)
    """When an object in `staging/` that came in again after its upload had ended is deleted, and a multipart upload that
    belongs to no open upload is aborted."""
    storage_multipart_sweep_seconds: float = Field(default=600, gt=0)
    """Pause between two looks at the open multipart uploads."""
    storage_unknown_days: float = Field(default=14, gt=0)
    """When an object in `staging/` of which no registration was heard is deleted; longer than the bus may ever be away."""
