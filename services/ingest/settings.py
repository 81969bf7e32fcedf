"""Settings of ingest; each is `LONGSHORE_<FIELD>` in the environment."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.runtime.settings import ServiceSettings
from services.ingest.domain.ignored_name import parse_patterns


class Settings(ServiceSettings):
    ingest_concurrency: int = Field(default=8, ge=1, le=64)
    """Fetches under way at a time, in one process; with an S3 store each needs some tens of MB."""
    ingest_tenant_concurrency: int = Field(default=4, ge=1, le=64)
    """Of these, for one tenant: its slow sources hold up nobody else."""
    ingest_timeout_seconds: float = Field(default=1800, gt=0)
    """For one attempt, from the first look-up of a name to the last byte."""
    ingest_idle_seconds: float = Field(default=60, gt=0)
    """For the head of an answer, and between two pieces of its body."""
    ingest_max_redirects: int = Field(default=3, ge=0, le=20)
    ingest_retries: int = Field(default=3, ge=0, le=20)
    """Attempts after the first one, where the network or the source failed in a way that may pass."""
    ingest_retry_seconds: float = Field(default=2, ge=0)
    """The pause before the second attempt; three times as long before each further one."""
    ingest_lease_seconds: float = Field(default=30, gt=0)
    """After a worker died, another takes its fetch over this much later."""
    ingest_poll_seconds: float = Field(default=1, gt=0)
    """How late a repeated attempt may be; first attempts do not wait for it."""
    ingest_watch_settle_seconds: float = Field(default=60, ge=0)
    """A file in a watch folder is taken when nobody has touched it for this long."""
    ingest_watch_poll_seconds: float = Field(default=10, gt=0)
    """How often watch folders are looked into where nothing tells of changes: buckets, and file systems of other machines."""
    ingest_watch_empty_seconds: float = Field(default=3600, gt=0)
    """An empty file in a watch folder waits to be filled, for this long before an error note is put beside it."""
    ingest_watch_grace_seconds: float = Field(default=86400, ge=0)
    """How long a file that became an upload is kept in `.done/` where nobody can know whether a program still writes to it."""
    ingest_watch_ignore: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated patterns of names in watch folders that are left alone, besides the built-in ones: `*.xmp,Proxies`."""
    ingest_retention_days: float = Field(default=30, gt=0)
    """How long it is remembered that a fetch has ended; its URL is forgotten at once."""

    @field_validator("ingest_watch_ignore", mode="before")
    @classmethod
    def _parse_patterns(cls, given: Any) -> Any:
        return parse_patterns(given) if isinstance(given, str) else given
