"""Conditional requests (RFC 9110 §13): what the client's validators say about the file as it is now."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum
from functools import cached_property

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


class Verdict(Enum):
    SEND = 200
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412


@dataclass(frozen=True)
class Validators:
    etag: str
    """Strong, without quotes."""
    modified_at: datetime

    @cached_property
    def last_modified(self) -> str:
        return format_datetime(self._second, usegmt=True)

    @cached_property
    def _second(self) -> datetime:
        return self.modified_at.astimezone(UTC).replace(microsecond=0)

    def judge(self, headers: Mapping[str, str]) -> Verdict:
        """In the order of RFC 9110 §13.2.2; a header that cannot be read counts as absent."""
        if (if_match := headers.get("If-Match")) is not None:
            if not self._listed(if_match, weak=False):
                return Verdict.PRECONDITION_FAILED
        elif (since := _date(headers.get("If-Unmodified-Since"))) is not None and self._second > since:
            return Verdict.PRECONDITION_FAILED
        if (if_none_match := headers.get("If-None-Match")) is not None:
            return Verdict.NOT_MODIFIED if self._listed(if_none_match, weak=True) else Verdict.SEND
        if (since := _date(headers.get("If-Modified-Since"))) is not None and self._second <= since:
            return Verdict.NOT_MODIFIED
        return Verdict.SEND

    def range_counts(self, if_range: str | None) -> bool:
        """Whether a `Range` beside this `If-Range` is to be honoured: its validator is exactly the current one."""
        if if_range is None:
            return True
        if '"' in if_range:
            return if_range.strip() == f'"{self.etag}"'
        return _date(if_range) == self._second

    def _listed(self, header: str, *, weak: bool) -> bool:
        if header.strip() == "*":
            return True
        return any(tag == self.etag and (weak or not prefix) for prefix, tag in _ENTITY_TAG.findall(header))


def _date(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
