"""The OpenAPI 3.1 document of a set of APIs, made from the same `Route` objects that the server mounts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from libs.web.route import Answer, Api, Parameter, Route

JsonObject = dict[str, Any]
_Schemas = Mapping[Any, JsonSchemaValue]  # (model, mode) → reference

_PATH_PARAMETER = re.compile(r"\{(\w+)(?::([^{}]*(?:\{[^{}]*\}[^{}]*)*))?\}")
_REQUEST_ID = {"description": "The request's W3C trace id.", "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}


def openapi_document(apis: Sequence[Api], *, title: str, version: str, description: str = "", server_url: str = "/") -> bytes:
    """UTF-8 JSON. Operation ids are `<api>.<operation>`; models of several APIs with one name get distinct schema names."""
    from openapi_pydantic import OpenAPI  # takes a tenth of the time that a service needs to start, and few ask for this

    schemas, definitions = models_json_schema(sorted(set(_models(apis)), key=str), ref_template="#/components/schemas/{model}")
    document = OpenAPI.model_validate(
        {
            "openapi": "3.1.1",
            "info": {"title": title, "version": version, "description": description},
            "servers": [{"url": server_url}],
            "tags": [{"name": api.name, "description": api.title} for api in apis],
            "paths": _paths(apis, schemas),
            "components": {
                "schemas": definitions.get("$defs", {}),
                "securitySchemes": {f"{a.name}.{n}": dict(s) for a in apis for n, s in a.security_schemes.items()},
                "headers": {"X-Request-Id": _REQUEST_ID},
            },
        }
    )
    return document.model_dump_json(by_alias=True, exclude_unset=True, exclude_none=True).encode()


def _models(apis: Sequence[Api]) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    for api in apis:
        for route in api.routes:
            for body in filter(None, (route.body, route.form)):
                yield body, "validation"
            for answer in route.answers.values():
                for model in answer.models:
                    yield model, "serialization"


def _paths(apis: Sequence[Api], schemas: _Schemas) -> JsonObject:
    paths: JsonObject = {}
    for api in apis:
        for route in api.routes:
            path = _PATH_PARAMETER.sub(r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(api, route, schemas)
    return paths


def _operation(api: Api, route: Route, schemas: _Schemas) -> JsonObject:
    operation: JsonObject = {
        "tags": [api.name],
        "operationId": f"{api.name}.{route.operation_id}",
        "summary": route.summary,
        "description": route.description or None,
        "parameters": [_parameter(parameter) for parameter in _all_parameters(route)],
        "responses": {str(status): _response(answer, schemas) for status, answer in sorted(route.answers.items())},
        "security": [{f"{api.name}.{name}": []} for name in route.security],
    }
    content: JsonObject = {}
    if route.form is not None:
        content |= {form_type: {"schema": schemas[route.form, "validation"]} for form_type in route.form_types}
    if route.body is not None:
        content["application/json"] = {"schema": schemas[route.body, "validation"]}
    if content:
        operation["requestBody"] = {"required": route.body is not None and route.form is None, "content": content}
    return operation


def _all_parameters(route: Route) -> list[Parameter]:
    """The declared ones, and those of the path that nobody described."""
    declared = {parameter.name for parameter in route.parameters if parameter.location == "path"}
    missing = [
        Parameter(name, "path", "", required=True, schema={"type": "string", "pattern": f"^{pattern or '[^/]+'}$"})
        for name, pattern in _PATH_PARAMETER.findall(route.path)
        if name not in declared
    ]
    return [*missing, *route.parameters]


def _parameter(parameter: Parameter) -> JsonObject:
    return {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description or None,
        "required": parameter.required or parameter.location == "path",
        "schema": dict(parameter.schema),
    }


def _response(answer: Answer, schemas: _Schemas) -> JsonObject:
    headers: JsonObject = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    headers |= {name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()}
    response: JsonObject = {"description": answer.description, "headers": headers}
    forms = [schemas[model, "serialization"] for model in answer.models]
    if forms:
        response["content"] = {answer.content_type: {"schema": forms[0] if len(forms) == 1 else {"anyOf": forms}}}
    elif answer.content_type != "application/json":
        response["content"] = {answer.content_type: {}}
    return response
