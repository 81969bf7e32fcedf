"""clamd for tests: the distribution's, in the foreground, on a free port and a socket in a temporary folder, with one signature
of our own for harmless bytes. It knows no real virus and asks nobody for any. Without it the run fails.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, socket
from tempfile import TemporaryDirectory
from typing import Final

START_SECONDS: Final = 60
STREAM_MAX_BYTES: Final = 8 << 20
FILE_MAX_BYTES: Final = 6 << 20
"""More than this it takes, and does not scan."""

INFECTED: Final = b"longshore: these bytes are harmless, and a test calls them a virus"
VIRUS: Final = "Longshore.Test.Harmless.UNOFFICIAL"
"""clamd's own word for signatures that are not its makers' is part of the name."""

CONFIGURATION: Final = """
Foreground yes
DatabaseDirectory {folder}/signatures
TemporaryDirectory {folder}/scratch
LocalSocket {folder}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
StreamMaxLength {stream_max_bytes}
MaxFileSize {file_max_bytes}
AlertExceedsMax yes
MaxThreads 4
"""


class ClamdServer:
    """It keeps its addresses over a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.socket_url = f"unix://{folder}/clamd.sock"
        for name in ("signatures", "scratch"):
            (folder / name).mkdir()
        # name : any kind of file : anywhere in it : these bytes; https://docs.clamav.net/manual/Signatures/ExtendedSignatures.html
        signature = f"{VIRUS.removesuffix('.UNOFFICIAL')}:0:*:{INFECTED.hex()}\n"
        (folder / "signatures" / "test.ndb").write_text(signature)
        (folder / "clamd.conf").write_text(
            CONFIGURATION.format(
                folder=folder, port=self.port, stream_max_bytes=STREAM_MAX_BYTES, file_max_bytes=FILE_MAX_BYTES
            )
        )

    def start(self) -> None:
        with (self._folder / "clamd.log").open("ab") as log:
            self._process = subprocess.Popen([_program(), f"--config-file={self._folder}/clamd.conf"], stdout=log, stderr=log)
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.sendall(b"zPING\0")
                    if connection.recv(10) == b"PONG\0":
                        return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"clamd did not start: {(self._folder / 'clamd.log').read_text()[-500:]}")


@contextmanager
def running() -> Iterator[ClamdServer]:
    # Not below pytest's own folder: the path of a Unix socket must be short.
    with TemporaryDirectory(prefix="longshore-clamd-") as folder:
        server = ClamdServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program() -> str:
    found = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("the tests need clamd: install clamav-daemon (tests/install.sh does)")
    return found
