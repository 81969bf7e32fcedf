"""Bodies of admitted requests as models: JSON, or urlencoded where clients send that."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel

from libs.web.request import json_value
from libs.web.route import MalformedBodyError, UnsupportedMediaTypeError
from services.gateway.domain.content_type import essence

Model = TypeVar("Model", bound=BaseModel)


def parsed(request: web.Request, body: bytes, model: type[Model]) -> Model:
    """Raises UnsupportedMediaTypeError, MalformedBodyError or pydantic.ValidationError."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("A compressed body is not accepted.")
    match essence(request.headers.get("Content-Type", "")):
        case "application/json":
            return model.model_validate(json_value(body))
        case "application/x-www-form-urlencoded":
            return model.model_validate(_form(body))
        case other:
            raise UnsupportedMediaTypeError(f'Unsupported media type "{other[:100]}" in request.')


def _form(body: bytes) -> dict[str, Any]:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        raise MalformedBodyError("The body is not urlencoded.") from None
    if any("\0" in text for text in (*fields, *fields.values())):
        raise MalformedBodyError("The body contains a NUL character.")
    return fields
