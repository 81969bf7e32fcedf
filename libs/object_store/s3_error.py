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


FINAL = frozenset({
    "AccessDenied", "AllAccessDisabled", "EntityTooLarge", "InvalidAccessKeyId", "InvalidArgument", "InvalidRequest",
    "MalformedXML", "MethodNotAllowed", "NoSuchBucket", "NotImplemented", "SignatureDoesNotMatch",
})  # fmt: skip
"""Of refusals that say nothing about the object: those that another call at once will not change."""


class StoreRefusedError(StoreUnavailableError):
    """It answered, but not what was asked for."""

    def __init__(self, s3_code: str) -> None:
        super().__init__(f"the store answered {s3_code}")
        self.s3_code = s3_code
        self.may_pass = s3_code not in FINAL


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
    return known(about) if known else StoreRefusedError(code)


@contextmanager
def port_errors() -> Iterator[None]:
    try:
        yield
    except MinioException as error:
        code = error_code(error)
        raise port_error(code, getattr(error, "object_name", code)) from error
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise StoreUnavailableError(f"the store does not answer: {type(error).__name__}") from error
