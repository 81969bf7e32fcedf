"""Log lines as they reach stderr."""

import json
import os
import pty
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
def stumble():
    secret = bytes.fromhex("68757368").decode()
    raise ValueError("wrong")
try:
    stumble()
except ValueError:
    log.exception("failed")
    logging.getLogger("library").exception("failed %s", "there")
"""


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


def test_the_automatic_format_is_json_where_no_terminal_listens() -> None:
    assert [json.loads(line)["event"] for line in lines_of("auto")] == ["upload.completed", "failed", "failed there"]


def test_the_automatic_format_is_the_consoles_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SCRIPT.replace("{format}", "auto")]
    subprocess.run(command, check=True, stderr=theirs, timeout=60)
    os.close(theirs)
    line = os.read(ours, 10_000).decode().splitlines()[0]
    os.close(ours)
    assert "upload.completed" in line
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_variables(log_format: str) -> None:
    text = "\n".join(lines_of(log_format))
    assert "stumble" in text
    assert "hush" not in text


def test_the_console_format_shows_the_same() -> None:
    text = "\n".join(lines_of("console"))
    assert "upload.completed" in text
    assert "ValueError: wrong" in text
    assert "failed there" in text
