"""The limit that throughput is compared to, and what the two benchmarks of bodies share: servers in processes of their own."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

MIB = 1024 * 1024
CHUNK = bytes(range(256)) * 4096


class Server:
    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._pid = pid

    def cpu_seconds(self) -> float:
        """User and system, of the server's process: less moved by the neighbours than the rates are."""
        user, system = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


Request = Callable[[Server, int, int], tuple[bytes, bytes]]
"""What to send before and after the bytes, given the server, the sender's number and the size."""


def bare_request(_server: Server, _number: int, size: int) -> tuple[bytes, bytes]:
    return size.to_bytes(8, "big"), b""


def run(module: str, description: str | None, serve: Callable[[Path, int], None], request: Request, aim: float) -> None:
    """A benchmark's main function: compares `serve`, in a process of its own (`python -m module`), to the bare copy."""
    parser = argparse.ArgumentParser(description=description)
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
        return (serve_bare if args.serve == "bare" else serve)(args.folder, args.port)
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bench-") as folder:
        compare(module, Path(folder), request, args.rounds, aim)
    return None


def compare(module: str, folder: Path, request: Request, rounds: int, aim: float) -> None:
    print(f"{'':26}{'bare MB/s':>11}{'store MB/s':>12}{'ratio':>8}{'bare CPU s/GB':>15}{'store CPU s/GB':>16}")
    for sync in (True, False):
        with server(module, "bare", folder, sync) as bare, server(module, "store", folder, sync) as store:
            for connections, size in ((1, 256 * MIB), (8, 32 * MIB)):
                cpu = [bare.cpu_seconds(), store.cpu_seconds()]
                pairs = [
                    (rate(bare, folder, bare_request, connections, size), rate(store, folder, request, connections, size))
                    for _ in range(rounds)
                ]
                ratio = median(there / here for here, there in pairs)
                name = f"{connections} x {size // MIB} MiB, {'fdatasync' if sync else 'no sync'}"
                verdict = "" if ratio >= aim else f"  below {aim}"
                gigabytes = rounds * connections * size / 1e9
                costs = [(s.cpu_seconds() - before) / gigabytes for s, before in zip((bare, store), cpu, strict=True)]
                here, there = (median(side) for side in zip(*pairs, strict=True))
                print(f"{name:26}{here:11.0f}{there:12.0f}{ratio:8.2f}{costs[0]:15.2f}{costs[1]:16.2f}{verdict}", flush=True)
    with server(module, "store", folder, sync=True) as store:
        rate(store, folder, request, 1, MIB)
        before = store.peak_mib()
        rate(store, folder, request, 1, 1024 * MIB)
        print(f"peak memory of the server: {before:.0f} MiB after 1 MiB, {store.peak_mib():.0f} MiB after 1 GiB")


@contextmanager
def server(module: str, kind: str, folder: Path, sync: bool) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, "--serve", kind, "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen([*command, *([] if sync else ["--no-sync"])])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield Server(port, process.pid)
    finally:
        process.kill()
        process.wait()


def rate(server: Server, folder: Path, request: Request, connections: int, size: int) -> float:
    """MB/s of `connections` bodies of `size` bytes sent at once, each to an object of its own."""
    requests = [request(server, number, size) for number in range(connections)]
    with ThreadPoolExecutor(connections) as threads:
        started = time.perf_counter()
        for sent in [threads.submit(send, server.port, *each, size) for each in requests]:
            sent.result()
        seconds = time.perf_counter() - started
    for written in [*folder.rglob("*bench*"), *folder.rglob("blobs/*")]:
        shutil.rmtree(written) if written.is_dir() else written.unlink()
    return connections * size / 1e6 / seconds


def send(port: int, before: bytes, after: bytes, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(before)
        for _ in range(size // len(CHUNK)):
            connection.sendall(CHUNK)
        connection.sendall(after)
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
