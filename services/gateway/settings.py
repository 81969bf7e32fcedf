"""Settings of the gateway; each is `LONGSHORE_<FIELD>` in the environment."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from libs.runtime.settings import ServiceSettings
from services.gateway.domain.registration import MAX_UPLOAD_BYTES

MIN_JWT_SECRET: Final = 32


class Settings(ServiceSettings):
    gateway_max_upload_bytes: int = Field(default=MAX_UPLOAD_BYTES, gt=0)
    """The largest file where the API itself names no limit."""
    gateway_retention_seconds: int = Field(default=30 * 86400, gt=0)
    """How long a file of the eachlabs API is kept (E-13)."""
    gateway_temporary_seconds: int = Field(default=86400, gt=0)
    """How long a file in json2video's `temp` folder (J-10), and one of Uploadcare that is not stored (U-03), is kept."""
    gateway_eachlabs_url_seconds: int = Field(default=900, gt=0, le=604800)
    """How long an upload URL of the eachlabs API may be used (E-11)."""
    gateway_json2video_url_seconds: int = Field(default=120, gt=0, le=604800)
    """How long an upload URL of the json2video API may be used (J-13)."""
    gateway_uploadcare_part_url_seconds: int = Field(default=86400, gt=0, le=604800)
    """How long the part URLs of a multipart upload of the Uploadcare API may be used."""
    clamd_url: str | None = None
    """As the session service's, which scans. The gateway only knows by it that there is a verdict to wait for."""
    gateway_medialab_upload_seconds: int = Field(default=86400, gt=0, le=604800)
    """How long an upload id of the MediaLab API takes files (M-20)."""
    gateway_upload24_url_seconds: int = Field(default=3600, gt=0, le=604800)
    """How long an upload URL of the Upload24 API may be used (5.4.10)."""
    gateway_upload24_session_seconds: int = Field(default=86400, gt=0, le=604800)
    """How long an upload session of the Upload24 API may be resumed and completed."""
    gateway_put_grace_seconds: int = Field(default=900, ge=0)
    """How long after the URL's end an upload that began in time may at least still arrive."""
    gateway_put_bytes_per_second: int = Field(default=128 * 2**10, gt=0)
    """The slowest upload that is waited for: its size (1 GiB where none is declared) at this rate, if that is longer."""
    gateway_jwt_issuer: str = Field(default="longshore", min_length=1)
    """Who may issue bearer tokens: their `iss`."""
    gateway_jwt_audience: str = Field(default="longshore", min_length=1)
    """Whom bearer tokens must be meant for: their `aud`."""
    gateway_jwt_secret: SecretStr | None = None
    """Of HS256 tokens; where neither it nor a key set is configured, made from `secret_key`. Several, separated by commas,
    rotate: the first signs, all verify."""
    gateway_jwks_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    """Where the public keys of RS256 and ES256 tokens are (a JSON Web Key Set)."""
    gateway_free_allowance_bytes: int = Field(default=50 * 2**20, ge=0)
    """Shown by `GET /v2/media` as `free_allowance`."""
    gateway_credits_per_week: float = Field(default=0, ge=0)
    """Shown by `GET /v2/media` as `credits_per_week`."""
    gateway_key_cache_seconds: float = Field(default=5, ge=0)
    """How long a replica goes on accepting an API key that was revoked, uploads of a tenant that was blocked, and a project's
    old settings."""
    gateway_recover_credentials: bool = False
    """Replace the key in `credentials.json` where the file is lost; for an installation of one process (standalone does)."""
    gateway_history_days: float | None = Field(default=None, gt=0)
    """How long an upload that has no file any more is known, and how long after its registration any upload's timeline is kept;
    not set: for ever."""
    gateway_delivery_log_days: float = Field(default=30, gt=0)
    """How long the log of a webhook endpoint shows a delivery after its end; as long as delivery can send it once more."""
    gateway_batch_forget_days: float = Field(default=30, gt=0)
    """How long after its end an upload id of the MediaLab API still tells which files came under it."""
    gateway_cache_seconds: int = Field(default=365 * 86400, ge=0)
    """How long caches may keep renditions and derived images, which never change, at most until their file expires; 0: they ask
    each time, and what was deleted is gone from them, too."""
    gateway_read_memory_bytes: int = Field(default=64 * 2**20, ge=0)
    """Memory for the small files that are served, and for what is known of the others; nothing stays there for long."""
    gateway_accel_location: str | None = Field(default=None, pattern=r"^/[A-Za-z0-9._/-]+$")
    """The internal location of an nginx in front that leads to `<data_dir>/objects`: it sends the files of the disk store, all
    but small ones, itself (`X-Accel-Redirect`)."""
    gateway_redirect_seconds: int = Field(default=0, ge=0, le=3600)
    """Clients are redirected to the S3 store for the bytes of a file, by URLs that live so long; 0: the gateway sends them."""
    sandbox: Literal["strict", "auto"] = "strict"
    """`strict` refuses to start where images cannot be cut off from the network; `auto` warns and goes on."""
    gateway_work_dir: Path | None = None
    """Where images lie while they are processed; default `<data_dir>/gateway`."""
    gateway_image_jobs: int = Field(default=2, ge=1, le=64)
    """Images processed at the same time, each in a process of its own."""
    gateway_image_queue: int = Field(default=64, ge=0)
    """Images that wait for their turn; more are asked to come back (503)."""
    gateway_image_project_queue: int = Field(default=16, ge=1)
    """Images of one project that are processed or wait, so that none keeps others from their turn."""
    gateway_image_max_variants: int = Field(default=1000, ge=1)
    """Images kept of one file; of more the oldest go, and are made again when they are asked for again."""
    gateway_image_max_pixels: int = Field(default=100_000_000, gt=0)
    """Largest image that is processed; larger ones are delivered as they are."""
    gateway_image_max_source_bytes: int = Field(default=256 * 2**20, gt=0)
    """Largest image file that is processed."""
    gateway_image_max_result_bytes: int = Field(default=64 * 2**20, gt=0)
    """Largest image file that may come of it."""
    gateway_image_max_seconds: float = Field(default=30, gt=0)
    """Wall clock time of processing one image."""
    gateway_image_max_memory_bytes: int = Field(default=3 * 2**29, gt=0)
    """Address space of processing one image."""

    @field_validator("gateway_jwt_secret")
    @classmethod
    def _long_enough(cls, given: SecretStr | None) -> SecretStr | None:
        if any(len(secret) < MIN_JWT_SECRET for secret in _listed(given)):
            raise ValueError(f"each secret needs {MIN_JWT_SECRET} characters at least")
        return given

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        return _listed(self.gateway_jwt_secret)

    @property
    def work_dir(self) -> Path:
        return self.gateway_work_dir or self.data_dir / "gateway"


def _listed(secrets: SecretStr | None) -> tuple[str, ...]:
    return tuple(secret.strip() for secret in secrets.get_secret_value().split(",")) if secrets else ()
