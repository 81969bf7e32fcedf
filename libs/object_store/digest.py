"""The digests that a PUT states of its body, compared with the bytes as they come. Nothing is computed that is not asked for.

Sources: RFC 1864 (Content-MD5); "Checking object integrity" and "PutObject", Amazon S3 user guide and API reference.
"""

import hashlib
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final, Protocol

import anycrc
from multidict import CIMultiDictProxy

CONTENT_MD5: Final = "content-md5"
CHECKSUM: Final = "x-amz-checksum-"
ALGORITHM: Final = "x-amz-sdk-checksum-algorithm"
"""Names the `x-amz-checksum-` header that the SDK sends."""
CRC32C: Final = f"{CHECKSUM}crc32c"
SIZES: Final[Mapping[str, int]] = {
    CONTENT_MD5: 16, f"{CHECKSUM}crc32": 4, CRC32C: 4, f"{CHECKSUM}crc64nvme": 8, f"{CHECKSUM}sha1": 20, f"{CHECKSUM}sha256": 32
}  # fmt: skip
"""Header → bytes of its digest."""


class DigestError(Exception):
    """The digest that the request states is not one of its body."""

    code: ClassVar[str] = "BadDigest"
    status: ClassVar[int] = 400


class InvalidDigestError(DigestError):
    """The header is not the base64 form of a digest."""

    code = "InvalidDigest"


class InvalidChecksumRequestError(DigestError):
    """The request's checksum headers contradict each other."""

    code = "InvalidRequest"


class _Running(Protocol):
    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, size: int, extend: Callable[[memoryview, int], int]) -> None:
        self._size, self._extend, self._value = size, extend, 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._extend(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


_NEW: Final[Mapping[str, Callable[[], _Running]]] = {
    CONTENT_MD5: partial(hashlib.md5, usedforsecurity=False),
    f"{CHECKSUM}crc32": lambda: _Crc(4, zlib.crc32),
    f"{CHECKSUM}crc64nvme": lambda: _Crc(8, anycrc.Model("CRC64-NVME").calc),
    f"{CHECKSUM}sha1": partial(hashlib.sha1, usedforsecurity=False),
    f"{CHECKSUM}sha256": hashlib.sha256,
}
"""All but CRC-32C, which the store computes of every body anyway."""


class BodyDigests:
    """`update` with all of the body, in threads, never in two at once; then `check`."""

    def __init__(self, stated: Mapping[str, bytes]) -> None:
        """`stated`: header → digest."""
        self._stated = stated
        self._running = {header: _NEW[header]() for header in stated if header in _NEW}

    def update(self, data: memoryview) -> None:
        for running in self._running.values():
            running.update(data)

    def check(self, crc32c: int) -> None:
        """Raises DigestError when the body, whose CRC-32C is `crc32c`, has another digest than a header states."""
        found = {header: running.digest() for header, running in self._running.items()}
        found[CRC32C] = crc32c.to_bytes(4, "big")
        for header, digest in self._stated.items():
            if found[header] != digest:
                raise DigestError(f"The bytes that arrived do not have the digest that {header} states. Send them again.")


def stated_digests(headers: CIMultiDictProxy[str]) -> BodyDigests | None:
    """What a request's headers state; None where they state nothing.

    Raises InvalidDigestError or InvalidChecksumRequestError.
    """
    given = [header for header in SIZES if header in headers]
    checksums = [header for header in given if header != CONTENT_MD5]
    if len(checksums) > 1:
        raise InvalidChecksumRequestError(f"Send one {CHECKSUM}* header, not {', '.join(checksums)}.")
    if (algorithm := headers.get(ALGORITHM)) is not None and f"{CHECKSUM}{algorithm.lower()}" not in checksums:
        raise InvalidChecksumRequestError(f"{ALGORITHM} names a checksum, but its {CHECKSUM}* header is not there.")
    if not given:
        return None
    return BodyDigests({header: _digest(header, ",".join(headers.getall(header))) for header in given})


def _digest(header: str, value: str) -> bytes:
    try:
        digest = b64decode(value, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != SIZES[header]:
        raise InvalidDigestError(f"{header} must be the base64 form of {SIZES[header]} bytes.")
    return digest
