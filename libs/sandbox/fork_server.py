"""Imports programs of ours once, then forks a confined process for each run: `python -I fork_server.py <order as JSON>`.

The order: `control` (the number of a socket), `parent` (who holds the other end), `isolate`, and `modules`, each of which has a
`main()` that finds its arguments in `sys.argv`. Each request that comes over the socket is `{"module", "arguments", "folder",
"limits"}`, with three files: a channel, stdout and stderr. The exit status goes back through the channel, as a number; whoever
closes the channel before has the process killed, with all that it has started.

This process never sees a stranger's byte. Each one that it forks isolates itself in namespaces of its own before it opens any
file, and can reach neither this process nor another one. There is one thread only: no other one would survive a fork.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[2]))  # `-I` leaves it out

from libs.sandbox import launcher

MAX_REQUEST_BYTES = 256 << 10
PASSED_FILES = 3
PR_SET_DUMPABLE = 4


class ThreadsError(Exception):
    """A module has started threads while it was imported, so that nothing of it may be forked."""


class ForkServer:
    def __init__(self, control: socket.socket, *, is_isolated: bool) -> None:
        self._control = control
        self._is_isolated = is_isolated
        self._channels: dict[int, socket.socket] = {}
        """Of those who wait for a process, by its number."""
        self._selector = selectors.DefaultSelector()
        self._ended, wake = socket.socketpair()
        for end in (self._ended, wake):
            end.setblocking(False)
        self._wake = wake

    def serve(self) -> None:
        """Until nobody is there any more who could ask for anything."""
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ, self._accept)
        self._selector.register(self._ended, selectors.EVENT_READ, self._reap)
        while self._selector.get_map().get(self._control):
            for key, _ in self._selector.select():
                key.data()
        for pid in self._channels:
            kill(pid)

    def _accept(self) -> None:
        request, files, _, _ = socket.recv_fds(self._control, MAX_REQUEST_BYTES, PASSED_FILES)
        if not request:
            self._selector.unregister(self._control)
            return
        channel, parent = socket.socket(fileno=files[0]), os.getpid()
        try:
            pid = os.fork()
        except OSError:  # for want of memory or numbers: as if this one had been killed, and no other
            traceback.print_exc()
            pid = None
        if pid == 0:
            run(request, files[1:], parent, is_isolated=self._is_isolated)
        for file in files[1:]:
            os.close(file)
        if pid is None:
            channel.close()
        else:
            self._channels[pid] = channel
            self._selector.register(channel, selectors.EVENT_READ, lambda: self._hang_up(pid, channel))

    def _hang_up(self, pid: int, channel: socket.socket) -> None:
        if self._channels.get(pid) is channel:  # else it was reaped at the same moment
            self._selector.unregister(channel)
            kill(pid)

    def _reap(self) -> None:
        self._ended.recv(1 << 10)
        while self._channels and (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
            kill(found.si_pid)  # what it has started; its number is nobody else's until it is waited for
            _, status = os.waitpid(found.si_pid, 0)
            with self._channels.pop(found.si_pid) as channel:
                if channel in self._selector.get_map():
                    self._selector.unregister(channel)
                    with contextlib.suppress(ConnectionError):  # who waited for it has just gone
                        channel.send(str(os.waitstatus_to_exitcode(status)).encode(), socket.MSG_NOSIGNAL)


def kill(pid: int) -> None:
    """The process, and its group: it may not have one of its own yet."""
    for end in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def run(content: bytes, files: list[int], parent: int, *, is_isolated: bool) -> NoReturn:
    """The rest of the life of a process that was forked."""
    code = 1
    try:
        request = json.loads(content)
        take_over(files, request["folder"])
        launcher.depend_on(parent, is_isolated=is_isolated)
        launcher.limit(request["limits"])
        module = sys.modules[request["module"]]
        sys.argv = [str(module.__file__), *request["arguments"]]
        module.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def take_over(files: list[int], folder: str) -> None:
    """Nothing of the server but what it has imported: no file, no handler of signals, no group of processes."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = folder


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """A signal that is ignored altogether would wake nobody."""


def main() -> None:
    order = json.loads(sys.argv[1])
    launcher.depend_on(order["parent"], is_isolated=False)
    for module in order["modules"]:
        importlib.import_module(module)
    if sys.platform == "linux":
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            raise ThreadsError(ThreadsError.__doc__)
        if not order["isolate"]:  # without namespaces those that are forked could look into this process
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    gc.freeze()  # what is shared with those that are forked is not to be copied for its counters
    ForkServer(socket.socket(fileno=order["control"]), is_isolated=order["isolate"]).serve()


if __name__ == "__main__":
    main()
