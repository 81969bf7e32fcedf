"""`python -m bench.read`: published files of a whole standalone on its disk store beside nginx, in one run over loopback.

Small files (16 KiB, a different one each time) over 32 connections, by `wrk` where it is installed; then one of 64 MiB over one
connection and over eight, read by a process of its own. Without nginx the figures stand alone. The CPU time per request is
that of the server's processes: it is moved by the neighbours less than the rates are.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from statistics import median
from typing import Any

import psutil

from bench.nginx import nginx
from bench.standalone import process, standalone
from deploy.demo_client import Demo

MIB = 2**20
SMALL_BYTES, LARGE_BYTES = 16 * 2**10, 64 * MIB
FILES = 64
CONNECTIONS = 32
SCRIPT = """
local paths = {{ {paths} }}
local at = 0
request = function()
    at = at % #paths + 1
    return wrk.format("GET", paths[at])
end
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format('{{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}}\\n', summary.requests,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Server:
    """One side of the comparison, and its process ids by name."""

    name: str
    port: int
    processes: dict[str, Sequence[int]]
    small: Sequence[str]
    large: str

    def cpu_seconds(self) -> dict[str, float]:
        return {name: sum(map(_cpu_seconds, pids)) for name, pids in self.processes.items()}


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _family(pid: int) -> list[int]:
    """The process, and those that it has started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


async def measure(rounds: int, seconds: float, parent: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=parent, prefix="bench-") as name:
        folder = Path(name)
        bodies = folder / "bodies"
        await asyncio.to_thread(_make_bodies, bodies)
        async with standalone() as demo:
            longshore = await _longshore(demo, bodies)
            with nginx(folder / "nginx", bodies) as beside:
                servers = [longshore]
                if beside is None:
                    print("nginx is not installed (Debian: nginx-light): bare figures", flush=True)
                else:
                    paths = [f"/small-{number}.bin" for number in range(FILES)]
                    servers.append(Server("nginx", beside[0], {"nginx": _family(beside[1])}, paths, "/large.bin"))
                await asyncio.to_thread(_compare, servers, folder, rounds, seconds)


def _make_bodies(folder: Path) -> None:
    folder.parent.chmod(0o755)  # the database does not run as root
    folder.mkdir()
    for number in range(FILES):
        (folder / f"small-{number}.bin").write_bytes(os.urandom(SMALL_BYTES))
    (folder / "large.bin").write_bytes(os.urandom(MIB) * (LARGE_BYTES // MIB))


async def _longshore(demo: Demo, bodies: Path) -> Server:
    """All files are published there when this returns."""
    names = [f"small-{number}.bin" for number in range(FILES)]
    paths = [await _published(demo, bodies / name) for name in (*names, "large.bin")]
    pid = process().pid
    database = next(child.pid for child in psutil.Process(pid).children(recursive=True) if child.name() == "postgres")
    port = int(demo.credentials["base_url"].rpartition(":")[2])
    return Server("longshore", port, {"standalone": [pid], "postgres": _family(database)}, paths[:-1], paths[-1])


async def _published(demo: Demo, body: Path) -> str:
    """The path of its public address."""
    asked = {"owner": demo.credentials["org"], "uploader": "customer", "content_type": "application/octet-stream"}
    created: dict[str, Any] = await demo.call("POST", "/api/v1/uploads", asked)
    content = await asyncio.to_thread(body.read_bytes)
    async with demo.http.put(created["upload_url"], data=content, headers=created["required_headers"]) as response:
        response.raise_for_status()
    version = 0
    while True:
        path = f"/platform/v1/uploads/{created['id']}"
        found = await demo.call("GET", path, wait_version=version, wait_seconds=10)
        version = found["version"]
        if found["state"] == "READY":
            return str(created["public_url"]).removeprefix(demo.credentials["base_url"])


# ---------------------------------------------------------------- comparing


def _compare(servers: Sequence[Server], folder: Path, rounds: int, seconds: float) -> None:
    _compare_small(servers, folder, rounds, seconds)
    for connections in (1, 8):
        _compare_large(servers, connections, rounds)


def _compare_small(servers: Sequence[Server], folder: Path, rounds: int, seconds: float) -> None:
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_seconds()
            found = _load(server, folder, seconds)
            cpu = {name: (after - before[name]) / found["requests"] * 1e6 for name, after in server.cpu_seconds().items()}
            rates[server.name].append(found["requests"] / found["seconds"])
            costs = ", ".join(f"{name} {cost:.0f}" for name, cost in cpu.items())
            print(
                f"{SMALL_BYTES >> 10} KiB x {CONNECTIONS:<4} {server.name:10} {rates[server.name][-1]:8.0f}/s   "
                f"µs CPU per request: {costs}   p50 {found['p50_ms']:.1f} ms   p99 {found['p99_ms']:.1f} ms   "
                f"errors {found['errors']:.0f}",
                flush=True,
            )
    _report_ratio(rates)


def _compare_large(servers: Sequence[Server], connections: int, rounds: int) -> None:
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_seconds()
            command = [*_SELF, "--read", str(server.port), server.large, str(connections)]
            rate = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            gigabytes = READS * LARGE_BYTES / 1e9
            cpu = {name: (after - before[name]) / gigabytes for name, after in server.cpu_seconds().items()}
            rates[server.name].append(rate)
            costs = ", ".join(f"{name} {cost:.2f}" for name, cost in cpu.items())
            print(
                f"{LARGE_BYTES // MIB} MiB x {connections:<5} {server.name:10} {rate:8.0f} MB/s   s CPU per GB: {costs}",
                flush=True,
            )
    _report_ratio(rates)


def _report_ratio(rates: dict[str, list[float]]) -> None:
    if "nginx" in rates:
        ratio = median(here / there for here, there in zip(rates["longshore"], rates["nginx"], strict=True))
        print(f"{'':17} {ratio:.2f} of nginx", flush=True)


# ---------------------------------------------------------------- the load

_SELF = [sys.executable, "-m", "bench.read"]
READS = 32
"""How often the large file is read, by all connections together."""


def _load(server: Server, folder: Path, seconds: float) -> dict[str, float]:
    if shutil.which("wrk"):
        script = folder / f"{server.name}.lua"
        script.write_text(SCRIPT.format(paths=", ".join(f'"{path}"' for path in server.small)))
        options = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s", "-s", str(script)]
        command = ["wrk", *options, f"http://127.0.0.1:{server.port}"]
    else:
        command = [*_SELF, "--load", str(server.port), str(seconds), *server.small]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


async def load(port: int, seconds: float, paths: Sequence[str]) -> dict[str, float]:
    """What `wrk` does with the script, in Python."""
    times: list[float] = []
    errors = [0]
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_connection(port, number, end, paths, times, errors) for number in range(CONNECTIONS)))
    times.sort()
    percentiles = {"p50_ms": times[len(times) // 2] * 1000, "p99_ms": times[len(times) * 99 // 100] * 1000}
    return {"requests": len(times), "seconds": seconds, "errors": errors[0], **percentiles}


async def _connection(port: int, number: int, end: float, paths: Sequence[str], times: list[float], errors: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < end:
        number += 1
        writer.write(f"GET {paths[number % len(paths)]} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        errors[0] += not head.startswith(b"HTTP/1.1 200")
        times.append(time.perf_counter() - started)
    writer.close()


def read_large(port: int, path: str, connections: int) -> float:
    """MB/s of so many connections, each of which reads the file several times."""
    with ThreadPoolExecutor(connections) as threads:
        started = time.perf_counter()
        for reading in [threads.submit(_read_repeatedly, port, path, READS // connections) for _ in range(connections)]:
            reading.result()
        return READS * LARGE_BYTES / 1e6 / (time.perf_counter() - started)


def _read_repeatedly(port: int, path: str, times: int) -> None:
    buffer = memoryview(bytearray(256 * 2**10))
    with create_connection(("127.0.0.1", port)) as connection:
        for _ in range(times):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            left = LARGE_BYTES - len(head.partition(b"\r\n\r\n")[2])
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode(errors="replace"))
            while left:
                count = connection.recv_into(buffer[: min(left, len(buffer))])
                if not count:
                    raise RuntimeError("the server ended in the middle of the file")
                left -= count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    parser.add_argument("--load", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        port, seconds, *paths = args.load
        print(json.dumps(asyncio.run(load(int(port), float(seconds), paths))))
    elif args.read:
        print(read_large(int(args.read[0]), args.read[1], int(args.read[2])))
    else:
        asyncio.run(measure(args.rounds, args.seconds, args.folder))


if __name__ == "__main__":
    main()
