"""Where the history goes on: the last upload that was shown, opaque to the client."""

import base64
import binascii
from datetime import datetime
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
        place = datetime.fromisoformat(at), UUID(upload_id)
    except (binascii.Error, ValueError):
        place = None
    if place is None or place[0].tzinfo is None:
        raise Upload24Error("invalid_cursor", "The cursor is not one that a listing gave out.")
    return place
