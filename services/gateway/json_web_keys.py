"""Public keys of whoever issues bearer tokens, fetched from the operator's address: a JSON Web Key Set (RFC 7517)."""

import asyncio
from time import monotonic
from typing import Final

import aiohttp
import jwt
import orjson
import structlog

KEPT_SECONDS: Final = 600.0
"""How long a set is taken for the newest one."""
STALE_SECONDS: Final = 2 * KEPT_SECONDS
"""Nobody has come for so long that a key may long have been withdrawn: the next one waits for the newest set."""
PAUSE_SECONDS: Final = 15.0
"""Between two fetches at least: tokens that name unknown keys cannot make us ask again and again."""
FETCH_SECONDS: Final = 5.0
MAX_BYTES: Final = 1024 * 1024

log = structlog.get_logger()


class KeysUnavailableError(OSError):
    """The key set was never fetched so far; worth another try."""

    code = "keys_unavailable"


class JsonWebKeys:
    """One fetch at a time; while the address does not answer, the keys that are known go on being good, and nobody waits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: list[jwt.PyJWK] | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key that signs by `algorithm`; a token without `kid` gets the only one there is.

        Raises KeysUnavailableError.
        """
        if self._keys is not None:
            if monotonic() - self._tried_at > STALE_SECONDS:
                await self._refresh()
            elif monotonic() - self._fetched_at > KEPT_SECONDS:
                self._renew()
        found = self._known(key_id, algorithm)
        if found is None:
            await self._refresh()
            found = self._known(key_id, algorithm)
        return found

    def _known(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys or () if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
        return fitting[0] if (key_id is not None and fitting) or len(fitting) == 1 else None

    def _renew(self) -> None:
        """Meanwhile the known ones are used."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        async with self._fetching:
            if monotonic() - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = monotonic()
                try:
                    self._keys = await self._fetch()
                    self._fetched_at = monotonic()
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError, jwt.PyJWTError) as error:
                    log.warning("bearer.keys_not_fetched", reason=type(error).__name__)
        if self._keys is None:
            raise KeysUnavailableError("the key set could not be fetched")

    async def _fetch(self) -> list[jwt.PyJWK]:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url, raise_for_status=True) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("the key set is too large")
        document = orjson.loads(bytes(body))
        if not isinstance(document, dict):
            raise ValueError("not a key set")
        return jwt.PyJWKSet.from_dict(document).keys
