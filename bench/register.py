"""`python -m bench.register`: registrations/s of each dialect beside a bare validated aiohttp endpoint, in one run.

All are answered by one process on uvloop and with pydantic models in and out; the gateway also checks the key, signs the upload
URL, writes its log line (to /dev/null) and commits upload and event to a PostgreSQL of its own, with fsync. The load comes from
another process over keep-alive connections. Only the ratio means something; the CPU time of the server process per request
tells its cost apart from what the neighbours on the machine do.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import urlencode
from uuid import uuid4

import psutil
import uvloop
from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import BaseModel, SecretStr

AIM = 0.4
CONNECTIONS = 64
MIB = 2**20
DIALECTS = ("eachlabs", "json2video", "medialab", "upload24", "uploadcare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--dialect", choices=DIALECTS, action="append", help="default: all of them")
    parser.add_argument("--serve", choices=["bare", "gateway"], help=argparse.SUPPRESS)
    parser.add_argument("--load", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile", type=Path, help="write the gateway's cProfile statistics there")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.folder, args.profile)
    elif args.load:
        credentials = json.loads((args.folder / "credentials.json").read_text())
        (dialect,) = args.dialect
        print(json.dumps(uvloop.run(load(args.load, Registrations(args.load, dialect, credentials), args.seconds))))
    else:
        with tempfile.TemporaryDirectory(prefix="bench-register-") as folder:
            compare(Path(folder), args.dialect or DIALECTS, args.rounds, args.seconds, args.profile)


def compare(folder: Path, dialects: Sequence[str], rounds: int, seconds: float, profile: Path | None) -> None:
    from deploy.postgres.embedded import EmbeddedPostgres
    from deploy.postgres.prepare import prepare

    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "postgres")
    postgres.start()
    try:
        os.environ["LONGSHORE_POSTGRES_DSN"] = postgres.dsn
        asyncio.run(prepare(postgres.dsn))
        with server("gateway", folder, profile) as gateway, server("bare", folder, None) as bare:
            for dialect in dialects:
                pairs = []
                for _ in range(rounds):
                    here, there = measure(bare, folder, "eachlabs", seconds), measure(gateway, folder, dialect, seconds)
                    pairs.append((here, there))
                report(dialect, pairs)
    finally:
        postgres.stop()


def report(dialect: str, pairs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> None:
    ratio, cpu_ratio = (median(there[name] / here[name] for here, there in pairs) for name in ("per_second", "cpu_us"))
    here, there = pairs[-1]
    print(
        f"{dialect:11}bare {here['per_second']:6.0f}/s {here['cpu_us']:4.0f} µs CPU   "
        f"gateway {there['per_second']:6.0f}/s {there['cpu_us']:4.0f} µs CPU   "
        f"p50 {there['p50_ms']:.1f} ms   p99 {there['p99_ms']:.1f} ms   errors {there['errors']:.0f}   "
        f"ratio {ratio:.2f}{'' if ratio >= AIM else f'  below {AIM}'}   of CPU 1/{cpu_ratio:.1f}",
        flush=True,
    )


@dataclass(frozen=True)
class Server:
    pid: int
    port: str

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def server(kind: str, folder: Path, profile: Path | None) -> Iterator[Server]:
    command = [sys.executable, "-m", "bench.register", "--serve", kind, "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, *(["--profile", str(profile)] if profile else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if kind == "gateway" else None,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Server(process.pid, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()


def measure(server: Server, folder: Path, dialect: str, seconds: float) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "bench.register",
        "--load",
        server.port,
        "--folder",
        str(folder),
        "--seconds",
        str(seconds),
        "--dialect",
        dialect,
    ]
    before = server.cpu_seconds()
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    cpu_us = (server.cpu_seconds() - before) / (result["per_second"] * seconds) * 1e6
    return {**result, "cpu_us": cpu_us}


# ---------------------------------------------------------------- the load


class Registrations:
    """The bytes of one request after the other."""

    def __init__(self, port: int, dialect: str, credentials: dict[str, str]) -> None:
        self._port = port
        self._credentials = credentials
        self._make = getattr(self, f"_{dialect}")
        self._numbers = count()

    def next(self) -> bytes:
        request: bytes = self._make()
        return request

    def _eachlabs(self) -> bytes:
        body = {"owner": self._credentials["org"], "uploader": "customer", "file_type": "audio", "content_type": "audio/mp4"}
        return self._post("/api/v1/uploads", body, f"X-API-Key: {self._credentials['api_key']}")

    def _json2video(self) -> bytes:
        body = {"name": f"{next(self._numbers)}-{uuid4().hex}.png", "contentType": "image/png", "size": 1000, "folder": "bench"}
        return self._post("/v2/media/file", body, f"X-API-Key: {self._credentials['api_key']}")

    def _medialab(self) -> bytes:
        return self._post("/upload/id", {"folder_id": 0}, f"Authorization: Private-Token {self._credentials['private_token']}")

    def _upload24(self) -> bytes:
        body = {
            "title": "Bench", "accounts": self._credentials["accounts"][:1], "fileName": "bench.mp4", "fileSize": MIB,
            "contentType": "video/mp4",
        }  # fmt: skip
        return self._post("/api/upload/presign-put", body, f"X-API-Key: {self._credentials['api_key']}")

    def _uploadcare(self) -> bytes:
        fields = {
            "UPLOADCARE_PUB_KEY": self._credentials["public_key"], "filename": "bench.bin", "size": 10 * MIB,
            "content_type": "application/octet-stream",
        }  # fmt: skip
        return self._request("/multipart/start/", urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def _post(self, path: str, body: Mapping[str, object], *headers: str) -> bytes:
        return self._request(path, json.dumps(body).encode(), "application/json", *headers)

    def _request(self, path: str, body: bytes, content_type: str, *headers: str) -> bytes:
        lines = (
            f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}", *headers,
        )  # fmt: skip
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def load(port: int, registrations: Registrations, seconds: float) -> dict[str, float]:
    times: list[float] = []
    errors = [0]
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_one_connection(port, registrations, end, times, errors) for _ in range(CONNECTIONS)))
    times.sort()
    return {
        "per_second": len(times) / seconds,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
        "errors": errors[0],
    }


async def _one_connection(port: int, registrations: Registrations, end: float, times: list[float], errors: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < end:
        writer.write(registrations.next())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        errors[0] += not head.startswith(b"HTTP/1.1 200")
        times.append(time.perf_counter() - started)
    writer.close()


# ---------------------------------------------------------------- the servers


def serve(kind: str, folder: Path, profile: Path | None) -> None:
    def run() -> None:
        uvloop.run(_serve(_bare() if kind == "bare" else _gateway(folder)))

    if profile is None:
        return run()
    import cProfile

    with cProfile.Profile() as profiler:
        run()
    profiler.dump_stats(profile)
    return None


async def _serve(applications: AsyncIterator[web.Application]) -> None:
    import signal

    async for application in applications:
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(runner.addresses[0][1], flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        await runner.cleanup()


class Asked(BaseModel):
    owner: str
    uploader: str
    file_type: str
    content_type: str


class Created(BaseModel):
    id: str
    upload_url: str
    public_url: str
    expires_at: datetime
    status: str
    required_headers: dict[str, str]


async def _bare() -> AsyncIterator[web.Application]:
    async def create(request: web.Request) -> web.Response:
        asked = Asked.model_validate_json(await request.read())
        created = Created(
            id=str(uuid4()),
            upload_url="https://store.example/staging/" + "x" * 600,
            public_url="https://files.example/public/" + "x" * 40,
            expires_at=datetime.now(UTC),
            status="PENDING",
            required_headers={"Content-Type": asked.content_type, "x-amz-meta-file-id": "x" * 36},
        )
        return web.Response(text=created.model_dump_json(), content_type="application/json")

    application = web.Application()
    application.router.add_post("/api/v1/uploads", create)
    yield application


async def _gateway(folder: Path) -> AsyncIterator[web.Application]:
    from libs.object_store.disk import DiskStore
    from libs.observability.logging import configure_logging
    from libs.runtime.collector import relax
    from services.gateway.app import build
    from services.gateway.settings import Settings

    configure_logging("info", "json")
    settings = Settings(data_dir=folder, secret_key=SecretStr(Fernet.generate_key().decode()))
    service = build(settings, DiskStore(folder / "objects", settings.public_base_url, "bench"))
    await service.outbox.database.open()
    for resource in service.resources:
        await resource.open()
    assert service.web is not None
    relax()
    yield service.web
    for resource in service.resources:
        await resource.close()
    await service.outbox.database.close()


if __name__ == "__main__":
    main()
