"""A PostgreSQL server that can go away: a forwarder in front of the real one."""

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit

READ_BYTES = 65536


class PostgresProxy:
    """`cut()` ends every connection and refuses new ones; `lose_answer_to` does it once the server has answered a message."""

    def __init__(self, dsn: str) -> None:
        self._parts = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_answer_to: bytes | None = None
        """Once: pass this message on, then close the connection instead of passing the answer back."""
        self.lost = 0

    @property
    def dsn(self) -> str:
        user = self._parts.username or "postgres"
        password = f":{self._parts.password}" if self._parts.password else ""
        return urlunsplit(("postgresql", f"{user}{password}@127.0.0.1:{self._port}", self._parts.path, "sslmode=disable", ""))

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        host = parse_qs(self._parts.query).get("host", [""])[0]
        if host.startswith("/"):
            upstream = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{self._parts.port or 5432}")
        else:
            upstream = await asyncio.open_connection(self._parts.hostname, self._parts.port or 5432)
        pair = (writer, upstream[1])
        self._writers.update(pair)
        losing = asyncio.Event()
        try:
            with suppress(ConnectionError):
                await asyncio.wait(
                    [
                        asyncio.create_task(self._pump(reader, upstream[1], losing, asks=True)),
                        asyncio.create_task(self._pump(upstream[0], writer, losing, asks=False)),
                    ],
                    return_when=asyncio.ALL_COMPLETED,
                )
        finally:
            self._writers.difference_update(pair)
            for end in pair:
                end.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, losing: asyncio.Event, *, asks: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(READ_BYTES):
                if asks and self.lose_answer_to is not None and self.lose_answer_to in data:
                    self.lose_answer_to = None
                    losing.set()
                elif not asks and losing.is_set():
                    self.lost += 1
                    break
                target.write(data)
                await target.drain()
        for writer in list(self._writers) if losing.is_set() and not asks else [target]:
            writer.close()
