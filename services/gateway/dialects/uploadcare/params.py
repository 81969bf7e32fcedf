"""Parameters from wherever the client put them: the query, an urlencoded body or form data, all merged.

A name may stand in several of these; the first one counts, the query before the body. Names that nobody knows are ignored.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from aiohttp import hdrs, web

from libs.web.form import Field, FormLimits, query_fields, read_form
from libs.web.route import UnsupportedMediaTypeError

MAX_FIELDS: Final = 1000
"""U-E21. A group of that many files, less a few."""
LIMITS: Final = FormLimits(body_bytes=2**20, fields=MAX_FIELDS)
"""Of requests without files (U-E22)."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Params:
    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields: Sequence[Field] = list(fields)
        self._first: dict[str, str] = {}
        for name, value in self.fields:
            self._first.setdefault(name, value)

    def get(self, *names: str) -> str | None:
        """The first of these names that was given, even if empty."""
        return next((self._first[name] for name in names if name in self._first), None)

    def filled(self, *names: str) -> str | None:
        """As `get`; None where it is empty."""
        return self.get(*names) or None


async def read_params(request: web.Request) -> Params:
    """Raises HttpError. A body that is no form counts as none, so that what is missing is told by its name."""
    try:
        return Params(await read_form(request, LIMITS))
    except UnsupportedMediaTypeError:
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise
        return query_params(request)


def query_params(request: web.Request) -> Params:
    """Raises HttpError."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("A compressed request is not accepted.")
    return Params(query_fields(request, LIMITS))


def to_uuid(text: str) -> UUID | None:
    """Of the usual form, in letters of either case."""
    return UUID(text) if _UUID.fullmatch(text.lower()) else None
