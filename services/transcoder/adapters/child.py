"""What the end of a child of ours means that has opened a file in the sandbox."""

from typing import Final

import structlog

from libs.sandbox.output import Finished
from services.transcoder.domain.error import LimitExceededError, UnreadableMediaError

OUT_OF: Final = "Opening the file takes more {} than one file may take."
SIGNALS_OF_A_CRASH: Final = (-6, -7, -8, -11)

log = structlog.get_logger()


class ChildFailedError(Exception):
    """A child of ours ended without an answer for a reason that is not the file's."""

    code = "child_failed"


def find_problem(finished: Finished, error: str | None, mime_type: str, max_pixels: int) -> Exception | None:
    """Why a child has no answer, or only a part of it: MediaError, or ChildFailedError, which may pass. None: it has.

    `error` is what it says itself: too_large, out_of_memory or unreadable.
    """
    if finished.out_of is not None:
        return LimitExceededError(OUT_OF.format(finished.out_of))
    if finished.code in SIGNALS_OF_A_CRASH:  # the decoder would do so again
        error = "unreadable"
    elif finished.code != 0:
        return ChildFailedError(f"exit status {finished.code}: {finished.stderr[-300:]}")
    if error is None:
        return None
    log.info("inspection.refused", error=error, mime_type=mime_type, detail=finished.stderr[-300:])
    if error == "too_large":
        return LimitExceededError(f"The file is larger than the {max_pixels / 1e6:.0f} megapixels that are processed.")
    if error == "out_of_memory":
        return LimitExceededError(OUT_OF.format("memory"))
    return UnreadableMediaError(f"The file is damaged or not really {mime_type}.")
