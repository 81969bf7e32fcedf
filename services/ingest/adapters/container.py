"""Objects of linked containers as URLs that the guarded client can get: signed here, nothing else is trusted.

A bucket's are presigned by `libs.object_store.presign`, those of Azure carry a shared access signature that the official SDK
makes; so the SDK's own HTTP client, which knows no guard, is never used.
"""

import binascii
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from yarl import URL

from contracts.container import AzureContainer, Container, S3Container
from libs.object_store.presign import Presigner
from services.ingest.domain.error import FetchError

SIGNED_FOR: Final = timedelta(hours=1)
"""A request has to begin within it."""


def object_url(container: Container, key: str) -> URL:
    """For one GET; `key` as its store spells it. Raises FetchError where the credentials cannot sign."""
    if isinstance(container, S3Container):
        return URL(signer(container).url("GET", key, expires_in=SIGNED_FOR), encoded=True)
    return URL(_azure(container, key), encoded=True)


def signer(container: S3Container) -> Presigner:
    bucket = f"{container.endpoint}/{container.bucket}"
    return Presigner(bucket, container.access_key, container.secret_key.get_secret_value(), container.region)


def _azure(container: AzureContainer, key: str) -> str:
    credential = container.credential.get_secret_value()
    signature = credential.lstrip("?") if container.has_signature else _signature(container, credential, key)
    return f"{container.account_url}/{quote(container.container)}/{quote(key, safe='/~')}?{signature}"


def _signature(container: AzureContainer, account_key: str, key: str) -> str:
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas  # slow to import, and few installations link Azure

    try:
        return generate_blob_sas(
            account_name(container.account_url),
            container.container,
            key,
            account_key=account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + SIGNED_FOR,
        )
    except (ValueError, binascii.Error):
        raise FetchError("fetch_client_error", "the container's credential is not an account key") from None


def account_name(account_url: str) -> str:
    """Of `https://<account>.blob…`, or of an emulator's `http://host:port/<account>`."""
    parts = urlsplit(account_url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
