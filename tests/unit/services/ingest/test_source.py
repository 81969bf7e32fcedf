"""U-E32..U-E40, U-E81..U-E88: the egress guard's failures in the words of a fetch."""

from typing import get_args

import pytest

from libs.egress.client import EgressError, EgressNetworkError, EgressRefusedError, EgressTimeoutError
from libs.egress.download import (
    EgressDeadlineError,
    EgressRedirectsError,
    EgressStatusError,
    EgressTooLargeError,
    Limits,
)
from libs.egress.url import UrlRefusal
from services.ingest.adapters.source import failure_of

LIMITS = Limits(total_seconds=300, idle_seconds=60, max_redirects=3, max_bytes=1000)


@pytest.mark.parametrize(
    ("error", "code", "message", "may_pass"),
    [
        (EgressStatusError(404), "fetch_client_error", "404 Not Found", False),
        (EgressStatusError(429), "fetch_client_error", "429 Too Many Requests", True),
        (EgressStatusError(503), "fetch_server_error", "503 Service Unavailable", True),
        (EgressNetworkError("name_unresolved", "no address"), "fetch_network_error", "no address", True),
        (EgressNetworkError("disconnected", "it broke"), "fetch_network_error", "it broke", True),
        (EgressNetworkError("tls_failed", "no valid TLS"), "fetch_network_error", "no valid TLS", True),
        (EgressNetworkError("encoding_unsupported", "no"), "fetch_network_error", "no", False),
        (EgressTimeoutError("no answer in time"), "fetch_timeout", "60", True),
        (EgressDeadlineError("it took too long"), "fetch_timeout", "300", False),
        (EgressTooLargeError(1001, 1000), "fetch_too_large", "1001 > 1000", False),
        (EgressRedirectsError(3), "fetch_too_many_redirects", "more than 3 redirects", False),
        (EgressRefusedError("address_forbidden", "x"), "fetch_url_refused", "only public IPs are allowed", False),
    ],
    ids=lambda value: value.code if isinstance(value, EgressError) else "",
)
def test_each_failure_has_its_code(error: EgressError, code: str, message: str, may_pass: bool) -> None:
    failure = failure_of(error, LIMITS)

    assert (failure.code, str(failure), failure.may_pass) == (code, message, may_pass)


@pytest.mark.parametrize("reason", get_args(UrlRefusal))
def test_each_reason_for_a_refusal_has_words(reason: UrlRefusal) -> None:
    assert str(failure_of(EgressRefusedError(reason, "x"), LIMITS))
