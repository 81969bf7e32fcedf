"""What an S3 service says when it refuses, as an error of the port."""

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


def port_error(code: str, about: str) -> Exception:
    """Whatever says nothing about the object itself is a StoreUnavailableError."""
    known = _ERRORS.get(code)
    return known(about) if known else StoreRefusedError(code)
