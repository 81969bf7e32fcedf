"""How processing can fail for good: the codes and sentences of `ProcessingFailed`."""


class MediaError(Exception):
    """The file's own fault: never retried. `str(error)` is shown to the client."""

    code = "internal"


class UnreadableMediaError(MediaError):
    """The file is damaged or not what it claims to be."""

    code = "unreadable_media"


class ContentTypeMismatchError(MediaError):
    """Declared as image, video or audio, and none of them."""

    code = "content_type_mismatch"


class LimitExceededError(MediaError):
    """Processing it would take more than one file may take."""

    code = "limit_exceeded"


INTERNAL_MESSAGE = "The file could not be processed because of an internal problem."
