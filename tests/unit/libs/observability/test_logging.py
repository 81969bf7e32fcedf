"""Log lines as they reach stderr."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from libs.observability.logging import configure_logging
from libs.observability.tracing import span
configure_logging("info", "{format}")
log = structlog.get_logger()
log.debug("hidden")
with span("x"):
    log.info("upload.completed", upload_id=7, odd=object, name="grüße")
def fail(key):
    raise ValueError("wrong")
try:
    fail("lsk_" + "very" * 3 + "secret")
except ValueError:
    log.exception("failed")
    logging.getLogger("library").exception("failed %s", "there")
"""


SECRET = "lsk_veryveryverysecret"
"""In a variable of the function that fails."""


def lines_of(log_format: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT.replace("{format}", log_format)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_lines_carry_level_time_trace_and_traceback() -> None:
    completed, failed, foreign = map(json.loads, lines_of("json"))
    assert (completed["event"], completed["level"], completed["upload_id"]) == ("upload.completed", "info", 7)
    assert completed["name"] == "grüße"
    assert len(completed["trace_id"]) == 32
    assert completed["timestamp"].endswith("Z")
    assert "ValueError: wrong" in failed["exception"]
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("failed there", "library", "error")
    assert "ValueError: wrong" in foreign["exception"]


def test_the_console_format_shows_the_same() -> None:
    text = "\n".join(lines_of("console"))
    assert "upload.completed" in text
    assert "ValueError: wrong" in text
    assert "failed there" in text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_variables(log_format: str) -> None:
    text = "\n".join(lines_of(log_format))
    assert "in fail" in text
    assert SECRET not in text
