"""Cursors that no listing gave out are refused, also those whose time no database takes."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from services.gateway.dialects.upload24.cursor import parse_cursor, to_cursor
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.platform.cursor import Cursor, InvalidCursorError

ID = UUID(int=7)
AT = datetime(2026, 4, 18, 9, 30, tzinfo=UTC)
NONE = [
    "", "x", "2026-04-18T09:30:00", f"2026-04-18T09:30:00 {ID}", f"0001-01-01T00:00:00+23:59 {ID}",
    f"9999-12-31T23:59:59-23:59 {ID}", "2026-04-18T09:30:00Z x",
]  # fmt: skip


@pytest.mark.parametrize("text", NONE)
def test_what_no_listing_gave_out_is_refused(text: str) -> None:  # T-13
    cursor = urlsafe_b64encode(text.encode()).decode().rstrip("=")
    with pytest.raises(Upload24Error):
        parse_cursor(cursor)
    with pytest.raises(InvalidCursorError):
        Cursor.parse(cursor)


@pytest.mark.parametrize("at", [AT, AT.astimezone(timezone(timedelta(hours=2)))])
def test_a_cursor_leads_back_to_its_place(at: datetime) -> None:  # T-13
    assert parse_cursor(to_cursor((at, ID))) == (AT, ID)
    assert Cursor.parse(str(Cursor(at, ID))) == Cursor(AT, ID)
