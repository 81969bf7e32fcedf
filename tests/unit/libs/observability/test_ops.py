"""The operators' listener."""

from aiohttp.test_utils import TestClient, TestServer

from libs.observability.ops import ops_application


async def test_readiness_names_what_is_missing_and_liveness_does_not_care() -> None:
    failed = {"gateway.database": "TimeoutError"}

    async def check() -> dict[str, str]:
        return failed

    async with TestClient(TestServer(ops_application(check))) as client:
        async with client.get("/livez") as response:
            assert response.status == 200
        async with client.get("/readyz") as response:
            assert response.status == 503
            assert (await response.json())["failed"] == {"gateway.database": "TimeoutError"}
        failed.clear()
        async with client.get("/readyz") as response:
            assert response.status == 200


async def test_metrics_are_in_the_prometheus_text_format() -> None:
    async def check() -> dict[str, str]:
        return {}

    async with TestClient(TestServer(ops_application(check))) as client, client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "python_info" in await response.text()
