"""Where a listing goes on: the last upload that was shown, opaque to the client."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.web.route import HttpError


class InvalidCursorError(HttpError):
    """The cursor is not one that a listing gave out."""

    code = "invalid_cursor"


@dataclass(frozen=True)
class Cursor:
    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.created_at.isoformat()} {self.id}".encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises InvalidCursorError."""
        try:
            created_at, _, upload_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(" ")
            at = datetime.fromisoformat(created_at)
            if at.tzinfo is None:
                raise ValueError("a time without its zone")
            return cls(at.astimezone(UTC), UUID(upload_id))
        except (binascii.Error, ValueError, OverflowError):
            raise InvalidCursorError("The cursor is not one that a listing gave out.") from None
