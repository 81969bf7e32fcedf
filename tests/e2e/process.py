"""A process of the product under test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 30


class Process:
    """`python -m <module>`, started anew after every end; its output goes to files in `folder`."""

    def __init__(self, module: str, environment: Mapping[str, str], folder: Path) -> None:
        self.module = module
        self.environment = dict(environment)
        self._out = folder / f"{module}.out"
        self._err = folder / f"{module}.err"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Returns the line that says it is ready."""
        self.launch()
        return self.wait_until_ready()

    def launch(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self._running = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env=clean | self.environment,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait_until_ready(self) -> str:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for line in self.output().splitlines():
                if "ready" in line:
                    return line
            if self.running.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{self.module} did not get ready (exit {self.running.poll()}); it said:\n{self.errors()[-4000:]}")

    def wait(self) -> int:
        return self.running.wait(STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9`: no chance to tidy up."""
        self.running.kill()
        self.running.wait()

    def ask_to_stop(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)

    def stop(self) -> int | None:
        """SIGTERM, then its exit status; None where it never ran."""
        if self._running is None:
            return None
        self.ask_to_stop()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self._running is not None, f"{self.module} was never started"
        return self._running

    def output(self) -> str:
        return self._out.read_text(errors="replace")

    def errors(self) -> str:
        return self._err.read_text(errors="replace")
