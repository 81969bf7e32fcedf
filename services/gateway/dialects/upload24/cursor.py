"""Where the history goes on: the last upload that was shown, opaque to the client."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from services.gateway.dialects.upload24.errors import Upload24Error

Place = tuple[datetime, UUID]
"""When the upload was completed, and its id."""


def to_cursor(place: Place) -> str:
    at, upload_id = place
    return base64.urlsafe_b64encode(f"{at.isoformat()} {upload_id}".encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Place:
    """Raises Upload24Error."""
    try:
        at, _, upload_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(" ")
        completed_at = datetime.fromisoformat(at)
        if completed_at.tzinfo is None:
            raise ValueError("a time without its zone")
        return completed_at.astimezone(UTC), UUID(upload_id)
    except (binascii.Error, ValueError, OverflowError):
        raise Upload24Error("invalid_cursor", "The cursor is not one that a listing gave out.") from None
