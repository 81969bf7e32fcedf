"""Settings that every service has. Each comes from the environment as `LONGSHORE_<FIELD>`; read once, in `app`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="LONGSHORE_", env_ignore_empty=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    data_dir: Path = Path(".data")
    """Everything that a standalone installation keeps."""
    watch_dir: Path | None = None
    """The root of all watch folders that are directories, mounted where ingest runs; default `<data_dir>/watch`."""
    postgres_dsn: SecretStr | None = None
    """PostgreSQL; standalone starts its own when it is not set."""
    gateway_postgres_dsn: SecretStr | None = None
    """A database of the gateway's own, instead of `postgres_dsn`; likewise for the other services."""
    session_postgres_dsn: SecretStr | None = None
    storage_notification_postgres_dsn: SecretStr | None = None
    ingest_postgres_dsn: SecretStr | None = None
    transcoder_postgres_dsn: SecretStr | None = None
    delivery_postgres_dsn: SecretStr | None = None
    postgres_pool: int = Field(default=8, ge=2, le=100)
    """Connections per service process."""
    bus_url: SecretStr | None = None
    """RabbitMQ (`amqp://…`); standalone uses its in-process bus when it is not set."""
    resend: bool = True
    """Keep every event for an hour after it was sent, and publish it again where RabbitMQ has lost its data."""
    inbox_hours: float = Field(default=48, ge=3)
    """How long a service remembers which events it has handled; longer than an event may be repeated."""
    s3_url: SecretStr | None = None
    """`http(s)://ACCESS_KEY:SECRET_KEY@host:port/bucket?region=…`; standalone uses its disk store when it is not set."""
    s3_public_url: str | None = None
    """Scheme and host under which clients reach the store, where it differs from `s3_url`."""
    s3_presign_key: SecretStr | None = None
    """`ACCESS_KEY:SECRET_KEY` of a write-only key limited to `staging/`; the key of `s3_url` signs when it is not set."""
    secret_key: SecretStr | None = None
    """Encrypts signing secrets at rest (a Fernet key), the same for all services; standalone makes one."""
    base_url: str | None = None
    """The address clients use, e.g. `https://uploads.example.com`; default `http://127.0.0.1:<http_port>`."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    ops_host: str = "127.0.0.1"
    ops_port: int = Field(default=8081, ge=0, le=65535)
    """Listener for `/livez`, `/readyz` and `/metrics`."""
    egress_allow: str = ""
    """Comma-separated networks that user-supplied addresses may reach although they are private, e.g. `10.1.0.0/16`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console", "auto"] = "json"
    shutdown_seconds: float = Field(default=10, gt=0)
    """How long a stop may wait for work that is under way."""

    def dsn_of(self, service: str) -> str | None:
        """Of the service's database: its own, or the one of all; None where neither is set."""
        own: SecretStr | None = getattr(self, f"{service}_postgres_dsn")
        dsn = own or self.postgres_dsn
        return dsn.get_secret_value() if dsn else None

    @property
    def watch_root(self) -> Path:
        return (self.watch_dir or self.data_dir / "watch").expanduser().absolute()

    @property
    def public_base_url(self) -> str:
        return (self.base_url or f"http://127.0.0.1:{self.http_port}").rstrip("/")
