"""`python -m bench.put`: a streamed PUT into the disk store beside a bare socket → file copy, in one run over loopback.

Compared at equal durability: with `fdatasync` on both sides (what the store really does) and without on both. Only the
ratios mean something; the machine's own figures drift. The store's share of CPU is larger by the CRC-32C.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from libs.object_store.presign import Presigner

MIB = 1024 * 1024
CHUNK = bytes(range(256)) * 4096
SECRET = "bench"
AIM = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=["bare", "store"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--no-sync", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        if args.no_sync:
            for sync in ("fsync", "fdatasync"):
                setattr(os, sync, lambda _fd: None)
        serve = serve_bare if args.serve == "bare" else serve_store
        return serve(args.folder, args.port)
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bench-put-") as folder:
        compare(Path(folder), args.rounds)
    return None


def compare(folder: Path, rounds: int) -> None:
    print(f"{'':26}{'bare MB/s':>11}{'store MB/s':>12}{'ratio':>8}{'bare CPU s/GB':>15}{'store CPU s/GB':>16}")
    for sync in (True, False):
        with server("bare", folder, sync) as bare, server("store", folder, sync) as store:
            for connections, size in ((1, 256 * MIB), (8, 32 * MIB)):
                cpu = [bare.cpu_seconds(), store.cpu_seconds()]
                pairs = [(rate(bare, folder, connections, size), rate(store, folder, connections, size)) for _ in range(rounds)]
                ratio = median(there / here for here, there in pairs)
                name = f"{connections} x {size // MIB} MiB, {'fdatasync' if sync else 'no sync'}"
                verdict = "" if ratio >= AIM else f"  below {AIM}"
                gigabytes = rounds * connections * size / 1e9
                costs = [(s.cpu_seconds() - before) / gigabytes for s, before in zip((bare, store), cpu, strict=True)]
                here, there = (median(side) for side in zip(*pairs, strict=True))
                print(f"{name:26}{here:11.0f}{there:12.0f}{ratio:8.2f}{costs[0]:15.2f}{costs[1]:16.2f}{verdict}", flush=True)
    with server("store", folder, sync=True) as store:
        rate(store, folder, 1, MIB)
        before = store.peak_mib()
        rate(store, folder, 1, 1024 * MIB)
        print(f"peak memory of the server: {before:.0f} MiB after 1 MiB, {store.peak_mib():.0f} MiB after 1 GiB")


class Server:
    def __init__(self, kind: str, port: int, pid: int) -> None:
        self.kind = kind
        self.port = port
        self._pid = pid

    def cpu_seconds(self) -> float:
        """User and system, of the server's process: less moved by the neighbours than the rates are."""
        user, system = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def server(kind: str, folder: Path, sync: bool) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bench.put", "--serve", kind, "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen([*command, *([] if sync else ["--no-sync"])])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        yield Server(kind, port, process.pid)
    finally:
        process.kill()
        process.wait()


def rate(server: Server, folder: Path, connections: int, size: int) -> float:
    """MB/s of `connections` bodies of `size` bytes sent at once, each to an object of its own."""
    heads = [head(server, str(number), size) for number in range(connections)]
    threads = [threading.Thread(target=send, args=(server.port, each, size)) for each in heads]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    for written in folder.rglob("*bench*"):
        shutil.rmtree(written) if written.is_dir() else written.unlink()
    return connections * size / 1e6 / seconds


def head(server: Server, name: str, size: int) -> bytes:
    if server.kind == "bare":
        return size.to_bytes(8, "big")
    url = urlsplit(presigner(server.port).url("PUT", f"bench-{name}", expires_in=timedelta(hours=1)))
    return f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size}\r\n\r\n".encode()


def send(port: int, head: bytes, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head)
        for _ in range(size // len(CHUNK)):
            connection.sendall(CHUNK)
        answer = connection.recv(4096)
        if not answer.startswith((b"done", b"HTTP/1.1 200")):
            raise RuntimeError(answer.decode())


def serve_bare(folder: Path, port: int) -> None:
    """The limit: one thread per connection, one buffer, nothing else."""

    def copy(connection: socket.socket) -> None:
        left = int.from_bytes(connection.recv(8), "big")
        buffer = memoryview(bytearray(len(CHUNK)))
        with tempfile.NamedTemporaryFile(dir=folder, prefix="bench-", buffering=0, delete=False) as file:
            while left:
                count = connection.recv_into(buffer[: min(left, len(buffer))])
                if not count:
                    return
                file.write(buffer[:count])
                left -= count
            os.fdatasync(file.fileno())
            connection.sendall(b"done")
        connection.close()

    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            threading.Thread(target=copy, args=(listener.accept()[0],)).start()


def presigner(port: int) -> Presigner:
    return Presigner(f"http://127.0.0.1:{port}/storage", "longshore", SECRET)


def serve_store(folder: Path, port: int) -> None:
    import uvloop
    from aiohttp import web

    from libs.object_store.disk import DiskStore
    from libs.object_store.disk_http import storage_routes

    async def application() -> web.Application:
        store = DiskStore(folder / "store", f"http://127.0.0.1:{port}", SECRET)
        await store.open()
        app = web.Application()
        app.add_routes(storage_routes(store))
        return app

    web.run_app(application(), host="127.0.0.1", port=port, print=None, loop=uvloop.new_event_loop(), access_log=None)


if __name__ == "__main__":
    main()
