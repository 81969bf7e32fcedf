"""Links that let whoever holds them read one file until they expire: `{base_url}/downloads/{id}?expires=…&signature=…`.

The signature is an HMAC-SHA256 over id and expiry, in URL-safe base64. Its key is derived from the installation's, which all
services share (`libs.runtime.secret`), so that one of them makes a link and another one serves it.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

PATH: Final = "/downloads/"
PURPOSE: Final = "longshore download link"
"""For which the keys are derived."""


class LinkRefusedError(Exception):
    """The link is not one of ours, or it has expired."""

    code = "link_refused"


class LinkSigner:
    """Several keys rotate: the first signs, all are accepted."""

    def __init__(self, base_url: str, keys: Sequence[bytes]) -> None:
        self._base_url = base_url.rstrip("/")
        self._keys = keys

    def url(self, file_id: UUID, expires_at: datetime) -> str:
        """The end is cut to the second."""
        expires = int(expires_at.timestamp())
        return f"{self._base_url}{PATH}{file_id}?expires={expires}&signature={_signature(self._keys[0], file_id, expires)}"

    def verify(self, file_id: UUID, query: Mapping[str, str], now: datetime) -> datetime:
        """When the link ends. Raises LinkRefusedError."""
        expires, given = query.get("expires", ""), query.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 11 and given.isascii()):
            raise LinkRefusedError
        expected = [_signature(key, file_id, int(expires)) for key in self._keys]
        if not any(hmac.compare_digest(signature, given) for signature in expected):
            raise LinkRefusedError
        if now.timestamp() >= int(expires):
            raise LinkRefusedError
        return datetime.fromtimestamp(int(expires), UTC)


def _signature(key: bytes, file_id: UUID, expires: int) -> str:
    return urlsafe_b64encode(hmac.digest(key, f"{file_id}:{expires}".encode(), "sha256")).decode().rstrip("=")
