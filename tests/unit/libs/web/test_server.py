"""The edge around handlers: errors in the API's own shape, 405 and 404, request ids, HEAD."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from libs.web.problem import problem_error
from libs.web.route import Answer, Api, HttpError, Parameter, Route
from libs.web.server import STATUS, application

Client = TestClient[web.Request, web.Application]


def _vendor_error(_request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, HttpError):
        return web.json_response({"vendor": error.code}, status=error.status)
    return web.json_response({"vendor": "internal"}, status=500)


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _broken(_request: web.Request) -> web.Response:
    raise RuntimeError("the password is 1234")


async def _too_large(_request: web.Request) -> web.Response:
    raise web.HTTPRequestEntityTooLarge(max_size=1)


def _route(method: str, path: str, handler: object, name: str, parameters: tuple[Parameter, ...] = ()) -> Route:
    return Route(method, path, handler, name, name, {200: Answer("Yes.")}, parameters=parameters)  # type: ignore[arg-type]


VENDOR = Api(
    "vendor",
    "Vendor",
    [
        _route("GET", "/v/hello", _hello, "hello", (Parameter("q", "query", ""),)),
        _route("POST", "/v/hello", _hello, "post_hello"),
        _route("GET", "/v/broken", _broken, "broken"),
        _route("GET", "/v/large", _too_large, "large"),
        _route("GET", "/v/items/{item}", _hello, "item"),
        _route("GET", "/v/items/special", _broken, "special"),
    ],
    _vendor_error,
)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application([VENDOR]))) as client:
        yield client


async def test_every_answer_has_the_callers_trace_id(client: Client) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    for path in ("/v/hello", "/v/broken", "/nowhere"):
        async with client.get(path, headers={"Traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}) as response:
            assert response.headers["X-Request-Id"] == trace_id


@pytest.mark.parametrize("traceparent", ["", "junk", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-é"])
async def test_without_a_valid_trace_context_a_new_id_is_made(client: Client, traceparent: str) -> None:
    async with client.get("/v/hello", headers={"traceparent": traceparent}) as response:
        assert len(response.headers["X-Request-Id"]) == 32
        assert set(response.headers["X-Request-Id"]) != {"0"}


async def test_a_wrong_method_is_refused_in_the_apis_shape(client: Client) -> None:
    async with client.delete("/v/hello") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, POST"
        assert await response.json() == {"vendor": "method_not_allowed"}


async def test_an_unknown_address_is_a_problem_document(client: Client) -> None:
    async with client.get("/v/nothing") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        body = await response.json(content_type=None)
        assert body["status"] == 404
        assert body["request_id"] == response.headers["X-Request-Id"]


async def test_a_fault_of_ours_is_logged_and_tells_nothing(client: Client) -> None:
    with capture_logs() as lines:
        async with client.get("/v/broken") as response:
            assert response.status == 500
            assert await response.json() == {"vendor": "internal"}
    failed = next(line for line in lines if line["event"] == "http.failed")
    assert failed["error"] == "RuntimeError"


async def test_the_frameworks_own_refusals_get_the_apis_shape(client: Client) -> None:
    async with client.get("/v/large") as response:
        assert response.status == 413
        assert "vendor" in await response.json()


async def test_a_renderer_that_fails_still_gives_an_answer() -> None:
    def broken_renderer(_request: web.Request, _error: Exception) -> web.Response:
        raise KeyError("renderer")

    api = Api("broken", "Broken", [_route("GET", "/x", _broken, "x")], broken_renderer)
    async with TestClient(TestServer(application([api]))) as client, client.get("/x") as response:
        assert response.status == 500
        assert "password" not in await response.text()


async def test_head_is_get_without_the_body(client: Client) -> None:
    async with client.head("/v/hello") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == "5"
        assert await response.read() == b""


async def test_the_more_literal_path_wins(client: Client) -> None:
    async with client.get("/v/items/other") as response:
        assert response.status == 200
    async with client.get("/v/items/special") as response:
        assert response.status == 500


@pytest.mark.parametrize(("path", "status"), [("/v/items/a%00b", 404), ("/v/hello?q=%00", 400), ("/v/items/%ff%fe", 200)])
async def test_a_nul_in_the_address_reaches_no_handler(client: Client, path: str, status: int) -> None:
    async with client.get(path) as response:
        assert response.status == status


async def test_the_query_string_is_not_logged(client: Client) -> None:
    with capture_logs() as lines:
        async with client.get("/v/hello?signature=secret"):
            pass
    assert [line["path"] for line in lines if line["event"] == "http.request"] == ["/v/hello"]
    assert "secret" not in str(lines)


async def test_a_control_character_in_the_path_is_logged_encoded(client: Client) -> None:
    with capture_logs() as lines:
        async with client.get("/v/items/%1b[31mred"):
            pass
    assert [line["path"] for line in lines if line["event"] == "http.request"] == ["/v/items/%1B%5B31mred"]


def test_two_routes_with_one_method_and_path_are_refused() -> None:
    api = Api("twice", "Twice", [_route("GET", "/a", _hello, "a"), _route("GET", "/a", _hello, "b")], problem_error)
    with pytest.raises(ValueError, match="two routes"):
        application([api])


async def test_a_mounted_application_answers_for_itself() -> None:
    inner = web.Application()
    inner.router.add_get("/{key:.+}", _hello)
    mounted = application([VENDOR], subapps={"/storage": inner})
    async with TestClient(TestServer(mounted)) as client:
        async with client.get("/storage/a/b") as response:
            assert await response.text() == "hello"
        async with client.get("/v/hello") as response:
            assert response.headers["X-Request-Id"]


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(headers={"Access-Control-Allow-Origin": "*"})


async def _hidden_failure(_request: web.Request) -> web.Response:
    raise RuntimeError("nobody sees it")


def _always_200(_request: web.Request, _error: Exception) -> web.Response:
    response = web.Response(status=200)
    response[STATUS] = 500
    return response


async def test_a_path_may_be_spelled_otherwise_and_answers_preflights() -> None:
    route = replace(_route("POST", "/base/", _hello, "base"), also="/{_:/*base/*}")
    api = Api("lenient", "Lenient", [route], _vendor_error, preflight=_preflight)
    async with TestClient(TestServer(application([api]))) as lenient:
        for path in ("base/", "base", "/base//"):
            url = f"{lenient.make_url('/')}{path}"
            assert (await lenient.session.post(url)).status == 200
            assert (await lenient.session.options(url)).headers["Access-Control-Allow-Origin"] == "*"
            refused = await lenient.session.get(url)
            assert (refused.status, refused.headers["Allow"]) == (405, "OPTIONS, POST")


async def test_a_fault_is_logged_though_the_api_answers_with_another_status() -> None:
    api = Api("polite", "Polite", [_route("GET", "/polite", _hidden_failure, "polite")], _always_200)
    async with TestClient(TestServer(application([api]))) as polite:
        with capture_logs() as logs:
            assert (await polite.get("/polite")).status == 200
    assert [line["event"] for line in logs] == ["http.failed", "http.request"]
    assert logs[1]["status"] == 500
