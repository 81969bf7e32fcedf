"""The document made from routes is valid OpenAPI 3.1, and its page needs nothing from outside."""

import re
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate
from pydantic import BaseModel, create_model

from libs.web.docs import documentation
from libs.web.openapi import openapi_document
from libs.web.problem import CONTENT_TYPE, Problem, problem_error
from libs.web.route import Answer, Api, Parameter, Route
from libs.web.server import application


async def _nothing(_request: web.Request) -> web.Response:
    return web.Response()


def _book(field: str) -> type[BaseModel]:
    return create_model("Book", **{field: (str, ...)})  # type: ignore[call-overload,no-any-return]


class Part(BaseModel):
    words: list[str]
    inner: "Part | None" = None


def _api(name: str) -> Api:
    book = _book(name)
    return Api(
        name,
        f"The API {name}",
        [
            Route(
                "PUT",
                f"/{name}/{{id:[0-9a-f]{{8}}}}/{{path:.+}}",
                _nothing,
                "put",
                "Put",
                {200: Answer("Done.", Part), 404: Answer("No.", Problem, CONTENT_TYPE), 204: Answer("Empty.")},
                body=book,
                parameters=[Parameter("depth", "query", "How deep", schema={"type": "integer"})],
                security=["key"],
            ),
            Route("GET", f"/{name}/{{id:[0-9a-f]{{8}}}}/{{path:.+}}", _nothing, "get", "Get", {200: Answer("It.", book)}),
        ],
        problem_error,
        {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    )


def _document() -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(openapi_document([_api("one"), _api("two")], title="Test", version="1"))
    return document


def test_the_document_is_valid() -> None:
    document = _document()
    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_paths_have_no_patterns_and_all_their_parameters() -> None:
    operation = _document()["paths"]["/one/{id}/{path}"]["put"]
    assert {(p["name"], p["in"], p["required"]) for p in operation["parameters"]} == {
        ("id", "path", True),
        ("path", "path", True),
        ("depth", "query", False),
    }
    assert operation["operationId"] == "one.put"
    assert operation["security"] == [{"one.key": []}]


def test_models_of_one_name_stay_apart() -> None:
    schemas = _document()["components"]["schemas"]
    books = [schema for name, schema in schemas.items() if "Book" in name]
    assert sorted(tuple(schema["properties"]) for schema in books) == [("one",), ("two",)]
    assert "Part" in schemas


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"])
async def test_documentation_is_served_with_an_etag(path: str) -> None:
    apis = [_api("one")]
    async with TestClient(TestServer(application([*apis, documentation(apis, title="Test", version="1")]))) as client:
        async with client.get(path) as response:
            assert response.status == 200
            assert len(await response.read()) > 100
            etag = response.headers["ETag"]
        async with client.get(path, headers={"If-None-Match": etag}) as response:
            assert response.status == 304


async def test_the_documentation_documents_itself() -> None:
    apis = [_api("one")]
    async with TestClient(TestServer(application([*apis, documentation(apis, title="Test", version="1")]))) as client:
        async with client.get("/openapi.json") as response:
            document = orjson.loads(await response.read())
        validate(document)
        assert {"/openapi.json", "/docs", "/docs/{file}", "/one/{id}/{path}"} == set(document["paths"])
        async with client.get("/docs/other.js") as response:
            assert response.status == 404


async def test_the_page_asks_nobody_else() -> None:
    apis = [_api("one")]
    async with TestClient(TestServer(application([*apis, documentation(apis, title="<Test>", version="1")]))) as client:
        async with client.get("/docs") as response:
            page = await response.text()
            policy = response.headers["Content-Security-Policy"]
        assert "<title>&lt;Test&gt;</title>" in page
        assert re.findall(r"https?://", page + policy) == []
        assert policy.startswith("default-src 'none'; script-src 'self';")
        for address in re.findall(r'(?:src|href)="([^"]+)"', page):
            async with client.get(address) as response:
                assert response.status == 200


def test_a_form_is_documented_in_each_encoding_and_another_spelling_of_the_path_is_not() -> None:
    route = Route("POST", "/base/", _nothing, "base", "Base", {200: Answer("Yes.")}, form=_book("title"), also="/{_:/*base/*}")
    document = orjson.loads(openapi_document([Api("form", "Form", [route], problem_error)], title="Test", version="1"))
    validate(document)
    assert list(document["paths"]) == ["/base/"]
    content = document["paths"]["/base/"]["post"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "application/x-www-form-urlencoded"]
