"""What an S3 service says when it refuses, as an error of the port."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from minio.error import InvalidResponseError, MinioException, S3Error

from libs.object_store.port import (
    InvalidPartsError,
    MultipartNotFoundError,
    ObjectChangedError,
    ObjectNotFoundError,
    PartTooSmallError,
    StoreUnavailableError,
)

MISSING = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_ERRORS: dict[str, type[Exception]] = {
    **dict.fromkeys(MISSING, ObjectNotFoundError),
    "PreconditionFailed": ObjectChangedError,
    "NoSuchUpload": MultipartNotFoundError,
    "InvalidPart": InvalidPartsError,
    "InvalidPartOrder": InvalidPartsError,
    "EntityTooSmall": PartTooSmallError,
}


def error_code(error: MinioException) -> str:
    """S3's code for what went wrong, where the answer has one."""
    if isinstance(error, S3Error):
        return error.code or "an error without a code"
    # The SDK reads only error bodies of type `application/xml`; some servers say `text/xml`.
    found = re.search(r"<Code>(\w+)</Code>", str(error)) if isinstance(error, InvalidResponseError) else None
    return found[1] if found else type(error).__name__


def port_error(code: str, about: str) -> Exception:
    """Whatever says nothing about the object itself is a StoreUnavailableError."""
    known = _ERRORS.get(code)
    return known(about) if known else StoreUnavailableError(f"the store answered {code}")


@contextmanager
def port_errors() -> Iterator[None]:
    try:
        yield
    except MinioException as error:
        code = error_code(error)
        raise port_error(code, getattr(error, "object_name", code)) from error
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise StoreUnavailableError(f"the store does not answer: {type(error).__name__}") from error
