"""An S3 server for tests: `LONGSHORE_TEST_S3_URL` (`http(s)://KEY:SECRET@host:port`), else RustFS in a container where a Docker
engine answers, else `rclone serve s3` from PyPI.

One server per test run, one bucket per test. `S3Server.stop` and `start` are for tests of what happens without it.
"""

import os
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_connection, socket
from urllib.parse import urlsplit
from uuid import uuid4

from tests.servers import cors
from tests.servers.container import docker_answers

IMAGE = "rustfs/rustfs:1.0.0"
START_SECONDS = 60
ACCESS_KEY, SECRET_KEY = "longshore-test", "longshore-test-secret"


class S3Server:
    """`rclone serve s3` over a folder; it keeps its port and its objects over a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        with socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://{ACCESS_KEY}:{SECRET_KEY}@127.0.0.1:{self.port}"

    def start(self) -> None:
        rclone = Path(sysconfig.get_path("scripts")) / "rclone"
        served = ["serve", "s3", str(self._folder), "--addr", f"127.0.0.1:{self.port}"]
        options = ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull]
        log = (self._folder.parent / "rclone.log").open("ab")
        with log:
            self._process = subprocess.Popen([rclone, *served, *options], stdout=log, stderr=log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"rclone serve s3 did not start: {(self._folder.parent / 'rclone.log').read_text()[-500:]}")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of a server, without a bucket; see `bucket_url`."""
    if given := os.environ.get("LONGSHORE_TEST_S3_URL"):
        yield given.rstrip("/")
    elif docker_answers():
        yield from _in_container()
    else:
        server = S3Server(folder / "s3")
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def _in_container() -> Iterator[str]:
    """The store that docker-compose.yml has."""
    from testcontainers.core.container import DockerContainer

    key, secret = "longshore-container", uuid4().hex
    settings = {"RUSTFS_VOLUMES": "/data", "RUSTFS_ACCESS_KEY": key, "RUSTFS_SECRET_KEY": secret, "RUSTFS_REGION": "us-east-1"}
    container = DockerContainer(IMAGE).with_envs(**settings).with_exposed_ports(9000)
    with container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(9000))
        _wait_until_ready(host, port)
        yield f"http://{key}:{secret}@{host}:{port}"


def _wait_until_ready(host: str, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException), closing(HTTPConnection(host, port, timeout=2)) as http:
            http.request("GET", "/health/ready")
            with http.getresponse() as answer:
                if answer.status == 200:
                    return
        time.sleep(0.1)
    raise RuntimeError(f"the container {IMAGE} was not ready within {START_SECONDS} s")


@contextmanager
def open_to_browsers(server_url: str) -> Iterator[str]:
    """Where browsers reach the server, in the form of the setting `s3_public_url`; a full S3 has CORS rules itself."""
    parts = urlsplit(server_url)
    own = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if is_rclone(server_url):
        with cors.applied(own) as public_url:
            yield public_url
    else:
        yield own


def is_rclone(server_url: str) -> bool:
    """It deviates from S3 here and there."""
    return urlsplit(server_url).username == ACCESS_KEY


def bucket_url(server_url: str) -> str:
    """A bucket of the test's own, in the form of the setting `s3_url`; the store creates it."""
    parts = urlsplit(server_url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/test-{uuid4().hex}{query}"
