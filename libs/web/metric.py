"""What the HTTP edge counts."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("longshore_http_requests", "Requests answered", ["api", "operation", "status"])
SECONDS = Histogram(
    "longshore_http_request_seconds",
    "Time until the handler had its answer",
    ["api", "operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class RouteMetrics:
    """The series of one route, looked up once."""

    def __init__(self, api: str, operation: str) -> None:
        self._by_class = [REQUESTS.labels(api, operation, f"{hundreds}xx") for hundreds in range(1, 6)]
        self._seconds = SECONDS.labels(api, operation)

    def observe(self, status: int, seconds: float) -> None:
        self._by_class[min(max(status // 100, 1), 5) - 1].inc()
        self._seconds.observe(seconds)
