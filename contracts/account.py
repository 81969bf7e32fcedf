"""What the connector of each kind of account is told: `AccountConfigured.settings_encrypted`, opened, is JSON of one of these.

The gateway judges settings by them when an account is linked, delivery reads them when it publishes.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

PLACEHOLDERS: Final = frozenset({"publication_id", "upload_id", "file_name"})
"""What a template may hold in braces, each at most once."""
UNIQUE: Final = frozenset({"publication_id", "upload_id"})
"""A name must hold one of them: two uploads never get the same one, and a repeated publication finds its own."""
MAX_HEADERS: Final = 20
OUR_HEADERS: Final = frozenset({
    "connection", "content-length", "content-type", "expect", "host", "idempotency-key", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Those that the connector itself sets, or that belong to one connection."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]{0,4000}")

HttpAddress = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=1000)]
PastedUrl = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://\S[^\r\n\t]*$", max_length=1000)]
"""It may hold spaces, as the addresses of browsers do: they are percent-encoded when it is called."""


class AccountSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class DirectoryAccount(AccountSettings):
    """A folder that is mounted where delivery runs."""

    path: Annotated[str, Field(min_length=1, max_length=500)]
    """Below the folder of the tenant, which lies below the root that the operator has opened; relative to it, or absolute."""
    name: Annotated[str, Field(max_length=100)] = "{publication_id}-{file_name}"
    """Of each file; filled in it has less than 256 bytes."""

    @field_validator("path")
    @classmethod
    def _has_no_nul(cls, path: str) -> str:
        if "\0" in path:
            raise ValueError("a path has no NUL characters")
        return path

    @field_validator("name")
    @classmethod
    def _is_one_segment(cls, name: str) -> str:
        if _BRACES.sub("", name).strip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- "):
            raise ValueError("a name holds letters, digits, spaces and `._-` beside its placeholders")
        return _unique(name)


class HttpAccount(AccountSettings):
    """A URL that takes files."""

    url: PastedUrl
    """May hold `{publication_id}`, `{upload_id}` and `{file_name}`, each percent-encoded when it is filled in."""
    method: Literal["PUT", "POST"] = "PUT"
    """PUT sends the file as the body, POST as a file of a form (multipart/form-data)."""
    headers: dict[str, SecretStr] = {}
    """Sent with each request, e.g. `Authorization`."""
    field: Annotated[str, Field(min_length=1, max_length=100)] = "file"
    """Of the form."""

    @field_validator("url")
    @classmethod
    def _has_known_placeholders(cls, url: str) -> str:
        return _known(url)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if len(headers) > MAX_HEADERS:
            raise ValueError(f"at most {MAX_HEADERS} headers")
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value.get_secret_value()):
                raise ValueError("a header's name or value has characters that no header may have")
            if name.lower() in OUR_HEADERS:
                raise ValueError("a header that the connector itself sets")
        return headers


class S3Account(AccountSettings):
    """A bucket of any S3-compatible service."""

    endpoint: HttpAddress
    """Scheme, host and port, e.g. `https://s3.eu-central-1.amazonaws.com`; the bucket is the first segment of the path."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,50}$")] = "us-east-1"
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]
    access_key: Annotated[str, Field(min_length=1, max_length=200)]
    secret_key: SecretStr
    key: Annotated[str, Field(max_length=300)] = "{publication_id}/{file_name}"
    """Of each object; folders before it make a prefix."""

    @field_validator("endpoint")
    @classmethod
    def _is_an_origin(cls, endpoint: str) -> str:
        if not re.fullmatch(r"https?://[^/?#@\s]+/?", endpoint):
            raise ValueError("scheme, host and port alone")
        return endpoint.rstrip("/")

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: str) -> str:
        literal = _BRACES.sub("x", key)
        if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", literal) or ".." in literal.split("/"):
            raise ValueError("segments of letters, digits and `._-`, joined by `/`, beside the placeholders")
        return _unique(key)


class WebhookAccount(AccountSettings):
    """Whoever takes signed links to files instead of the files."""

    url: PastedUrl
    secret: SecretStr
    """`whsec_` and base64: https://www.standardwebhooks.com signs with it."""
    link_seconds: Annotated[int, Field(ge=60, le=7 * 86400)] = 86400
    """How long a link works."""

    @model_validator(mode="after")
    def _can_sign(self) -> "WebhookAccount":
        if not re.fullmatch(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}", self.secret.get_secret_value()):
            raise ValueError("the secret is `whsec_` and 24 to 64 bytes in base64")
        return self


class YouTubeAccount(AccountSettings):
    """A channel. Its owner must have allowed the scopes `youtube.upload` and `youtube.readonly`, or `youtube`."""

    client_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,300}$")]
    """Of the OAuth 2.0 client that the owner of the channel has let in."""
    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=300)]
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=2000)]
    privacy_status: Literal["public", "unlisted", "private"] = "public"
    """Of videos whose upload names no other."""
    category_id: Annotated[str, Field(pattern=r"^[0-9]{1,5}$")] = "22"
    """The same; 22 is "People & Blogs"."""


ACCOUNT_SETTINGS: Final[Mapping[str, type[AccountSettings]]] = {
    "directory": DirectoryAccount,
    "http": HttpAccount,
    "s3": S3Account,
    "webhook": WebhookAccount,
    "youtube": YouTubeAccount,
}
"""By `AccountConfigured.kind`."""


def _known(template: str) -> str:
    names = _BRACES.findall(template)
    if not set(names) <= PLACEHOLDERS or len(names) != len(set(names)) or re.search(r"[{}]", _BRACES.sub("", template)):
        raise ValueError("braces hold `publication_id`, `upload_id` or `file_name`, each at most once")
    return template


def _unique(template: str) -> str:
    if not UNIQUE & set(_BRACES.findall(_known(template))):
        raise ValueError("`{publication_id}` or `{upload_id}` must be part of it")
    return template
