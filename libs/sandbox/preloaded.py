"""Programs of ours that are imported once and run in confined processes of their own: each costs a fork, not a start of Python.

`fork_server` is the process that has imported them; how those that it forks are confined is in `launcher`, as for any other
program in the sandbox.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from libs.sandbox.output import LINE_LIMIT, Finished, OnLine, watch
from libs.sandbox.sandbox import PYTHON, Limits, Sandbox, environment

FORK_SERVER: Final = Path(__file__).with_name("fork_server.py")
FULL_SECONDS: Final = 0.01
"""Pause while more requests wait for the fork server than its socket holds."""

log = structlog.get_logger()


class PreloadedPrograms:
    """A `libs.runtime.service.Resource`. Its process starts with the first run, and again after it has died."""

    def __init__(self, sandbox: Sandbox, modules: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        """`modules` have a `main()` to be run, or are there to be imported for others; `variables` join their environment."""
        self._sandbox = sandbox
        self._modules = tuple(modules)
        self._variables = dict(variables or {})
        self._server: _Server | None = None
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """Nothing: where no files come, no process waits for them."""

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def check(self) -> None:
        """Nothing: what has died is started again."""

    async def run(
        self, module: str, arguments: Sequence[str], *, folder: Path, limits: Limits, on_line: OnLine | None = None
    ) -> Finished:
        """Runs the `main()` of `module` in `folder` to its end; `on_line` gets each line of stdout instead of the result.

        It is killed when the time is up and when the caller is cancelled; what it has started dies with it.
        """
        request = {"module": module, "arguments": list(arguments), "folder": str(folder), "limits": asdict(limits)}
        server = await self._started()
        async with _stream() as channel, _stream() as stdout, _stream() as stderr:
            try:
                await server.send(json.dumps(request).encode(), [channel.far, stdout.far, stderr.far])
                status = _exit_status(channel.reader)
                return await watch(status, stdout.reader, stderr.reader, limits.wall_seconds, on_line)
            except ConnectionError as error:
                return Finished(-signal.SIGKILL, b"", str(error))
            finally:
                channel.writer.write_eof()
                await asyncio.shield(channel.reader.read())  # until it is dead

    async def _started(self) -> "_Server":
        async with self._starting:
            if self._server is not None and self._server.process.returncode is not None:
                log.warning("fork_server.died", code=self._server.process.returncode)
                await self.close()
            if self._server is None:
                self._server = await self._start()
            return self._server

    async def _start(self) -> "_Server":
        control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        order = {
            "control": far.fileno(),
            "parent": os.getpid(),
            "isolate": self._sandbox.is_isolated,
            "modules": self._modules,
        }
        with far:
            process = await asyncio.create_subprocess_exec(
                *PYTHON, str(FORK_SERVER), json.dumps(order), cwd="/", env=environment(Path("/")) | self._variables,
                start_new_session=True, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        return _Server(process, control)


@dataclass(frozen=True)
class _Server:
    process: Process
    control: socket.socket

    async def send(self, request: bytes, ends: Sequence[socket.socket]) -> None:
        """Gives the `ends` away. Raises ConnectionError where the server is dead."""
        while True:
            try:
                socket.send_fds(self.control, [request], [end.fileno() for end in ends])
                break
            except BlockingIOError:
                await asyncio.sleep(FULL_SECONDS)
        for end in ends:
            end.close()

    async def close(self) -> None:
        self.control.close()
        await self.process.wait()


@dataclass(frozen=True)
class _Stream:
    """A connection with a process that is to be forked."""

    reader: StreamReader
    writer: StreamWriter
    far: socket.socket
    """The end for that process."""


@asynccontextmanager
async def _stream() -> AsyncIterator[_Stream]:
    near, far = socket.socketpair()
    with far:
        reader, writer = await asyncio.open_connection(sock=near, limit=LINE_LIMIT)
        try:
            yield _Stream(reader, writer, far)
        finally:
            writer.transport.abort()


async def _exit_status(channel: StreamReader) -> int:
    """As a number that is negative for a signal. Where the server died it cannot tell, and has taken the process with it."""
    told = await channel.read()
    return int(told) if told else -signal.SIGKILL
