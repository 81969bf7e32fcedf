"""Which settings a service insists on when it runs alone."""

import os
import subprocess
import sys

import pytest

SERVERS = ("LONGSHORE_BUS_URL", "LONGSHORE_POSTGRES_DSN")
STORE, KEY = "LONGSHORE_S3_URL", "LONGSHORE_SECRET_KEY"


@pytest.mark.parametrize(
    ("service", "needed"),
    [
        ("gateway", (*SERVERS, STORE, KEY)),
        ("session", (*SERVERS, STORE)),
        ("storage_notification", (*SERVERS, STORE)),
        ("ingest", (*SERVERS, STORE, KEY)),
        ("transcoder", (*SERVERS, STORE)),
        ("delivery", (*SERVERS, KEY, STORE)),
    ],
)
def test_a_service_names_what_it_misses_and_nothing_that_it_does_not_use(service: str, needed: tuple[str, ...]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}

    # An empty value is none: that is how a container file passes on what nobody has set.
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env=environment | {STORE: ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr == f"longshore: {' and '.join(needed)} must be set\n"
