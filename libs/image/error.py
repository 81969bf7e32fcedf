"""Why an image cannot be opened, as one word."""

from typing import Final, Literal

ImageErrorCode = Literal["too_large", "out_of_memory", "unreadable"]

_OUT_OF_MEMORY: Final = (
    "out of memory", "unable to malloc", "nsufficient memory", "emory allocation", "Resource temporarily unavailable",
)  # fmt: skip
"""What libvips and the decoders say; without memory no thread starts either."""


class TooLargeError(Exception):
    """The image has more pixels than are processed."""


class DamagedImageError(Exception):
    """The image is not whole."""


def error_code(error: Exception) -> ImageErrorCode:
    """The word for `error`, which opening or decoding has raised: decoders raise almost anything for hostile input.

    Raises `error` again where the machine is to blame, not the file.
    """
    if "No space left on device" in str(error):
        raise error
    if isinstance(error, TooLargeError):
        return "too_large"
    is_short = isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)
    return "out_of_memory" if is_short else "unreadable"
