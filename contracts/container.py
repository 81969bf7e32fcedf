"""How storage of others is reached: linked containers, and the places that are watched.

The gateway judges settings by these when they are linked, ingest reads them when it fetches; on the way they are sealed.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, field_serializer, field_validator

HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=1000)]
ContainerKind = Literal["s3", "azure"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class S3Container(_Settings):
    """A bucket of any S3-compatible service."""

    kind: Literal["s3"] = "s3"
    endpoint: HttpAddress
    """Scheme, host and port, e.g. `https://s3.eu-central-1.amazonaws.com`; the bucket is the first segment of the path."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,50}$")] = "us-east-1"
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]
    access_key: Annotated[str, Field(min_length=1, max_length=200)]
    secret_key: SecretStr

    @field_validator("endpoint")
    @classmethod
    def _is_an_origin(cls, endpoint: str) -> str:
        if not re.fullmatch(r"https?://[^/?#@\s]+/?", endpoint):
            raise ValueError("scheme, host and port alone")
        return endpoint.rstrip("/")

    @field_serializer("secret_key", when_used="json")
    def _told(self, secret: SecretStr) -> str:
        return secret.get_secret_value()


class AzureContainer(_Settings):
    """A container of Azure Blob Storage."""

    kind: Literal["azure"] = "azure"
    account_url: HttpAddress
    """`https://<account>.blob.core.windows.net`; of an emulator `http://host:port/<account>`."""
    container: Annotated[str, Field(pattern=r"^(\$root|\$web|[a-z0-9](-?[a-z0-9]){2,62})$")]
    credential: SecretStr
    """The account's key in base64, or a shared access signature (`sv=…&sig=…`) that may read."""

    @property
    def has_signature(self) -> bool:
        """The credential is a shared access signature."""
        return "sig=" in self.credential.get_secret_value()

    @field_validator("credential")
    @classmethod
    def _can_sign(cls, credential: SecretStr) -> SecretStr:
        if not re.fullmatch(r"\??[\w%&=.:+/-]*\bsig=[\w%&=.:+/-]+|[A-Za-z0-9+/]{16,200}={0,2}", credential.get_secret_value()):
            raise ValueError("an account key in base64, or a shared access signature")
        return credential

    @field_validator("account_url")
    @classmethod
    def _is_an_account(cls, account_url: str) -> str:
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[a-z0-9]{3,24})?/?", account_url):
            raise ValueError("the address of a storage account, without container, query and credentials")
        return account_url.rstrip("/")

    @field_serializer("credential", when_used="json")
    def _told(self, secret: SecretStr) -> str:
        return secret.get_secret_value()


Container = S3Container | AzureContainer

CONTAINER_SETTINGS: Final[Mapping[str, type[S3Container] | type[AzureContainer]]] = {"s3": S3Container, "azure": AzureContainer}
"""By kind."""

CONTAINER: Final[TypeAdapter[Container]] = TypeAdapter(Annotated[Container, Field(discriminator="kind")])
"""Reads the JSON that `model_dump_json` makes of one, secrets included."""


class WatchedDirectory(_Settings):
    """A folder that is mounted where ingest runs."""

    path: Annotated[str, Field(min_length=1, max_length=500)]
    """Below the root that the operator has opened (`LONGSHORE_WATCH_DIR`)."""

    @field_validator("path")
    @classmethod
    def _is_inside(cls, path: str) -> str:
        segments = path.strip("/").split("/")
        if path.startswith("/") or "\0" in path or any(segment in ("", ".", "..") for segment in segments):
            raise ValueError("relative to the root of all watch folders, without empty segments, `.` and `..`")
        return path.strip("/")


class WatchedBucket(_Settings):
    """What lies in a bucket below a prefix."""

    container: S3Container
    prefix: Annotated[str, Field(max_length=500)] = ""
    """Empty, or ending in a slash."""
