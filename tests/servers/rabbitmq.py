"""RabbitMQ for tests: `LONGSHORE_TEST_RABBITMQ_URL`, else a container where a Docker engine answers, else the distribution's
`rabbitmq-server` on free ports in a temporary folder. Without any of them the run fails.
"""

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import uuid4

from tests.servers.container import docker_answers

IMAGE = "rabbitmq:4.2-alpine"
START_SECONDS = 60
STOP_SECONDS = 20
SCRIPTS = ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", "/opt/rabbitmq*/sbin/rabbitmq-server")
"""Not the wrapper in /usr/sbin, which insists on the system's own user, folder and ports."""

VHOSTS = tuple(f"test-{n}" for n in range(8))
"""What a server that is started here has; tests take turns."""


class RabbitMqServer(Protocol):
    """One running broker. `kill` is `kill -9`; after it, or after `stop`, `start` brings the same data back."""

    vhosts: tuple[str, ...]

    def url(self, vhost: str) -> str: ...

    def control(self, *arguments: str, document: str = "") -> str:
        """`rabbitmqctl`, with `document` as its standard input; answers its output."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def start(folder: Path) -> Iterator[RabbitMqServer]:
    if given := os.environ.get("LONGSHORE_TEST_RABBITMQ_URL"):
        yield GivenServer(given)
    else:
        yield from start_own(folder)


def start_own(folder: Path) -> Iterator[RabbitMqServer]:
    """A server that tests may kill."""
    server = ContainerServer() if docker_answers() else LocalServer(folder / "rabbitmq")
    try:
        server.start()
        yield server
    finally:
        server.close()


class GivenServer:
    """Somebody else's. Its URL names the only vhost that tests use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.vhosts: tuple[str, ...] = ("",)

    def url(self, vhost: str) -> str:
        return self._url

    def control(self, *arguments: str, document: str = "") -> str:
        raise RuntimeError("LONGSHORE_TEST_RABBITMQ_URL names a server that tests may not change")

    def start(self) -> None:
        raise RuntimeError("LONGSHORE_TEST_RABBITMQ_URL names a server that tests may not stop")

    stop = kill = start


class LocalServer:
    """The distribution's server as a child process: own ports, own epmd, own Erlang cookie, nothing left behind."""

    def __init__(self, folder: Path) -> None:
        self.vhosts: tuple[str, ...] = VHOSTS
        self._folder = folder
        self._script = _script()
        self._port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self._name = f"longshore-{uuid4().hex[:8]}"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/{vhost}"

    def start(self) -> None:
        self._configure()
        with (self._folder / "output.log").open("ab") as output:
            if self._epmd is None:
                # As our own child: a daemon that the server starts would outlive it.
                epmd = [shutil.which("epmd") or "epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
                self._epmd = _spawn(epmd, output)
                _wait_for(lambda: _connects(self._epmd_port), "epmd")
            self._server = _spawn([str(self._script)], output, self._environment())
        try:
            _wait_for(lambda: _greets(self._port), "rabbitmq-server")
        except TimeoutError:
            raise RuntimeError((self._folder / "output.log").read_text()[-2000:]) from None

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def control(self, *arguments: str, document: str = "") -> str:
        command = [str(self._script.with_name("rabbitmqctl")), *arguments]
        done = subprocess.run(
            command, env=self._environment(), input=document.encode(), capture_output=True, timeout=START_SECONDS, check=False
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {done.stderr.decode()[-1000:]}")
        return done.stdout.decode()

    def close(self) -> None:
        self.stop()
        if self._epmd is not None:
            os.killpg(self._epmd.pid, signal.SIGKILL)
            _reap(self._epmd)

    def _signal(self, number: signal.Signals) -> None:
        """To the whole process group: the script, the Erlang machine and its port programs."""
        if self._server is None:
            return
        group = self._server.pid
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        try:
            _wait_for(
                lambda: self._server is None or (self._server.poll() is not None and _is_empty(group)), "exit", STOP_SECONDS
            )
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        _reap(self._server)
        self._server = None

    def _configure(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "definitions.json").write_text(json.dumps(_definitions()))
        (self._folder / "plugins").write_text("[].\n")
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"load_definitions = {self._folder / 'definitions.json'}\n"
            "loopback_users = none\n"
            "disk_free_limit.absolute = 50MB\n"
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": f"{self._name}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "advanced"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "environment"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            # Its schedulers do not spin while there is nothing to do: others need the processor.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }


class ContainerServer:
    """RabbitMQ 4 in a container, always on the same port of this machine."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        self.vhosts: tuple[str, ...] = ("%2F",)
        self._port = free_port()
        self._container: Any = DockerContainer(IMAGE).with_bind_ports(5672, self._port)
        self._started = False

    def url(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/{vhost}"

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        _wait_for(lambda: _greets(self._port), "the rabbitmq container")

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def control(self, *arguments: str, document: str = "") -> str:
        script = f"printf %s '{document}' | rabbitmqctl {' '.join(arguments)}"
        code, output = self._container.get_wrapped_container().exec_run(["sh", "-c", script])
        if code:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {output.decode()[-1000:]}")
        return str(output.decode())

    def close(self) -> None:
        if self._started:
            self._container.stop()


def _spawn(command: list[str], output: IO[bytes], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process group that ends with us, even if we are killed: its leader waits for the end of our pipe."""
    leader = ["sh", "-c", '"$0" "$@" & cat > /dev/null; kill -KILL -$$', *command]
    return subprocess.Popen(
        leader, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
    )


def _reap(leader: subprocess.Popen[bytes]) -> None:
    leader.wait()
    if leader.stdin is not None:
        leader.stdin.close()


def _script() -> Path:
    for pattern in SCRIPTS:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[-1]
    raise RuntimeError(
        "No RabbitMQ for the tests: set LONGSHORE_TEST_RABBITMQ_URL, run a Docker engine, or install rabbitmq-server."
    )


def _definitions() -> dict[str, Any]:
    """A user for all vhosts; the vhosts are empty."""
    salt = os.urandom(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + b"guest").digest()).decode()
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [
            {
                "name": "guest",
                "password_hash": digest,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"],
                "limits": {},
            }
        ],
        "vhosts": [{"name": vhost} for vhost in VHOSTS],
        "permissions": [{"user": "guest", "vhost": vhost, **everything} for vhost in VHOSTS],
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _greets(port: int) -> bool:
    """Whether the broker answers the protocol header with its first frame (AMQP 0-9-1, connection.start)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def _is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _wait_for(condition: Any, what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {seconds} s")
        time.sleep(0.05)
