"""`metadata[<key>]` parameters (U-11, U-40)."""

import re
from typing import Final

from services.gateway.dialects.uploadcare.errors import UploadcareError
from services.gateway.dialects.uploadcare.params import Params

MAX_KEYS: Final = 50
MAX_KEY_LENGTH: Final = 64
MAX_VALUE_LENGTH: Final = 512

_PARAMETER = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_KEY = re.compile(r"[-_.:A-Za-z0-9]+")
_NOT_IN_VALUE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Control characters, but not tabs and line ends."""


def metadata_of(params: Params) -> dict[str, str]:
    """Keys as they were sent. Raises UploadcareError."""
    found: dict[str, str] = {}
    for name, value in params.fields:
        if (parameter := _PARAMETER.fullmatch(name)) is None:
            continue
        key = parameter[1]
        check_key(key)
        check_value(key, value)
        if key in found:
            raise UploadcareError("FileMetadataKeyDuplicatedError", key)
        found[key] = value
    if len(found) > MAX_KEYS:
        raise UploadcareError("FileMetadataKeysNumberTooBigError", MAX_KEYS)
    return found


def check_key(key: str) -> None:
    """Raises UploadcareError."""
    if not key:
        raise UploadcareError("FileMetadataKeyEmptyError")
    if len(key) > MAX_KEY_LENGTH:
        raise UploadcareError("FileMetadataKeyLengthTooBigError", key, MAX_KEY_LENGTH)
    if _KEY.fullmatch(key) is None:
        raise UploadcareError("FileMetadataKeyForbiddenError", key)


def check_value(key: str, value: str) -> None:
    """Raises UploadcareError."""
    if not value:
        raise UploadcareError("FileMetadataValueEmptyError", key)
    if len(value) > MAX_VALUE_LENGTH:
        raise UploadcareError("FileMetadataValueLengthTooBigError", key, MAX_VALUE_LENGTH)
    if _NOT_IN_VALUE.search(value):
        raise UploadcareError("FileMetadataValueForbiddenError", key)
