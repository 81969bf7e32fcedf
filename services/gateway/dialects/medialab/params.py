"""What a request says: a query, and a body that is form data, urlencoded or JSON (part 2.1: the vendor's tools send each)."""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict

from libs.web.form import Field, FormLimits, query_fields, read_form
from libs.web.request import read_json

LIMITS: Final = FormLimits(body_bytes=2**16, fields=256)
"""Of requests without files."""

Model = TypeVar("Model", bound=BaseModel)

_BRACKETS = re.compile(r"\[[^\[\]]*\]$")


class _AnyObject(BaseModel):
    model_config = ConfigDict(extra="allow")


class Params:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def parse(self, model: type[Model]) -> Model:
        """Raises pydantic.ValidationError."""
        return model.model_validate(self.values)


async def read_params(request: web.Request) -> Params:
    """The query's fields and the body's, which win; no body is fine, whatever its type. Raises HttpError."""
    if not request.can_read_body:
        return Params(_values(query_fields(request, LIMITS)))
    if request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower() == "application/json":
        body = await read_json(request, _AnyObject, max_bytes=LIMITS.body_bytes)
        return Params({**_values(query_fields(request, LIMITS)), **(body.model_extra or {})})
    return Params(_values(await read_form(request, LIMITS)))


def query_value(request: web.Request, name: str) -> str | None:
    """The last of that name. Raises HttpError."""
    value = _values(query_fields(request, LIMITS)).get(name)
    return value if isinstance(value, str) else None


def _values(fields: Iterable[Field]) -> dict[str, Any]:
    """`a[]=1&a[]=2`, as PHP writes lists, is a list; of a repeated plain name the last counts."""
    values: dict[str, Any] = {}
    for name, value in fields:
        plain = _BRACKETS.sub("", name)
        if plain == name:
            values[name] = value
        elif isinstance(known := values.get(plain), list):
            known.append(value)
        else:
            values[plain] = [value]
    return values
