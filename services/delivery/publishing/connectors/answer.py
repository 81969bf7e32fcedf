"""What a destination's answer over HTTP, or the lack of one, means for a publication."""

from collections.abc import Container
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from libs.egress.client import Answer, EgressError, EgressRefusedError
from services.delivery.domain.schedule import retry_after_seconds
from services.delivery.publishing.domain.error import PublishCode, PublishError

PASSING_STATUSES: Final = frozenset({408, 425, 429})
"""4xx that ask for patience."""
UNAUTHORIZED_STATUSES: Final = frozenset({401, 403, 407})


def is_success(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def failure_of(answer: Answer, detail: str | None = None, *, passing: Container[int] = PASSING_STATUSES) -> PublishError:
    """Of an answer that is no success. `detail`, the destination's own code for it, must be fit for the user; `passing` are
    the statuses below 500 that another try may change."""
    what = f"{phrase(answer.status)}, {detail}" if detail else phrase(answer.status)
    if answer.status >= 500 or answer.status in passing:
        asked = retry_after_seconds(answer.headers.get("Retry-After"), datetime.now(UTC))
        message = f"The destination cannot take the file now ({what})."
        return PublishError("destination_unavailable", message, may_pass=True, retry_after_seconds=asked)
    if answer.status in UNAUTHORIZED_STATUSES:
        return PublishError("destination_unauthorized", f"The destination does not accept the account's credentials ({what}).")
    return PublishError("destination_rejected", f"The destination refuses the file ({what}).")


def no_answer(error: EgressError) -> PublishError:
    """`str(error)` is fit for whoever supplied the address."""
    if isinstance(error, EgressRefusedError):
        return PublishError("destination_address_refused", f"The account's address is not accepted: {error}.")
    code: PublishCode = "destination_timeout" if error.code == "timeout" else "destination_unreachable"
    return PublishError(code, f"The destination cannot be reached: {error}.", may_pass=True, unreached=True)


def phrase(status: int) -> str:
    """The standard's words, never the destination's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
