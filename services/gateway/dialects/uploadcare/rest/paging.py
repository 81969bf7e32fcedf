"""Where a page begins, and the addresses of its neighbours.

`from` is a time, as the API states it. In the addresses that answers give it also names the row of that time (`<time>~<uuid>`):
clients repeat it as it is, and rows of the same microsecond are neither skipped nor shown twice.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from libs.web.route import HttpError
from services.gateway.dialects.uploadcare.rest.translate import timestamp
from services.gateway.domain.page import FIRST_ID, LAST_ID, Place, Window


def window(start: str | None, ordering: str, limit: int) -> Window:
    """Raises HttpError."""
    descending = ordering.startswith("-")
    return Window(_place(start, descending=descending) if start else None, descending, limit)


def page_url(path: str, place: Place | None, options: Mapping[str, object]) -> str | None:
    """`options` are those of the request; None and booleans as the API writes them."""
    if place is None:
        return None
    given = {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items() if value is not None
    }
    return f"{path}?{urlencode({**given, 'from': f'{timestamp(place.at)}~{place.id}'})}"


def _place(text: str, *, descending: bool) -> Place:
    time, tilde, row = text.partition("~")
    try:
        at = datetime.fromisoformat(time)
        row_id = UUID(row) if tilde else (LAST_ID if descending else FIRST_ID)
        return Place(at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC), row_id)
    except (ValueError, OverflowError):
        raise HttpError("`from` is not a time in ISO 8601.") from None
