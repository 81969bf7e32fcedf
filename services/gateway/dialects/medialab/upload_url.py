"""Upload addresses that need no other credentials: `{base_url}/api/file/{ulid}?ulid=…&expires=…&signature=…` (M-09, M-28).

The signature is an HMAC-SHA256 over id and expiry. The query alone says everything, so that it may follow any of the upload
paths; clients may append to it.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.gateway.dialects.medialab.errors import UploadUrlRefusedError
from services.gateway.domain.batch import BatchExpiredError, BatchId

PURPOSE: Final = "longshore.gateway.medialab-upload-url"
"""For which the keys are derived."""


class UploadUrls:
    """Several keys rotate: the first signs, all are accepted."""

    def __init__(self, base_url: str, keys: Sequence[bytes]) -> None:
        self._base_url = base_url
        self._keys = keys

    def url(self, batch_id: BatchId, expires_at: datetime) -> str:
        expires = int(expires_at.timestamp())
        signature = _signature(self._keys[0], batch_id, expires)
        return f"{self._base_url}/api/file/{batch_id}?ulid={batch_id}&expires={expires}&signature={signature}"

    def verify(self, batch_id: BatchId, expires: str, signature: str, now: datetime) -> None:
        """Raises UploadUrlRefusedError or BatchExpiredError."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 11 and signature.isascii()):
            raise UploadUrlRefusedError
        expected = [_signature(key, batch_id, int(expires)) for key in self._keys]
        if not any(hmac.compare_digest(ours, signature) for ours in expected):
            raise UploadUrlRefusedError
        if now.timestamp() >= int(expires):
            raise BatchExpiredError


def _signature(key: bytes, batch_id: BatchId, expires: int) -> str:
    return urlsafe_b64encode(hmac.digest(key, f"{batch_id}:{expires}".encode(), "sha256")).decode().rstrip("=")
