"""`python -m bench.base_s3`: `POST /base/` of a standalone on an S3 server beside boto3's upload of the same bytes to it.

boto3 itself is no dependency of ours: what its `upload_file` does by default is imitated with botocore, on which it stands:
parts of 8 MiB, from ten threads. boto3 stores; the standalone receives over HTTP, parses the form, stores, and promotes
afterwards: the next round begins when that is over. The S3 server is that of the tests.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil
from botocore.config import Config
from botocore.session import Session

from bench import bare, form
from bench.standalone import process
from deploy.demo import longshore
from tests.servers import s3

AIM = 1.2
SIZES = ((1, 96 * bare.MIB), (4, 64 * bare.MIB))
"""The route takes files below 100 MB."""
PART_BYTES, THREADS = 8 * bare.MIB, 10
"""The defaults of `boto3.s3.transfer.TransferConfig`."""
QUIET_SECONDS, QUIET_SHARE = 0.5, 0.1
"""Whatever follows an upload is over when no more than this share of a core was used for so long."""


@dataclass
class Side:
    """One of the two that are compared."""

    upload: Callable[[int, int], float]
    """So many files of such a size at once; MB/s."""
    processes: dict[str, psutil.Process]
    rates: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    def measure(self, files: int, size: int) -> None:
        _wait_until_quiet(self.processes.values())
        before = {name: _cpu_seconds(one) for name, one in self.processes.items()}
        self.rates.append(self.upload(files, size))
        for name, one in self.processes.items():
            self.cpu[name] = self.cpu.get(name, 0) + _cpu_seconds(one) - before[name]


class Boto:
    def __init__(self, bucket_url: str) -> None:
        parts = urlsplit(bucket_url)
        self._bucket = parts.path.strip("/")
        self._pool = ThreadPoolExecutor(THREADS)
        self._client: Any = Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=f"{parts.scheme}://{parts.hostname}:{parts.port}",
            aws_access_key_id=parts.username,
            aws_secret_access_key=parts.password,
            config=Config(max_pool_connections=THREADS, s3={"addressing_style": "path"}),
        )

    def upload(self, files: int, size: int) -> float:
        body = memoryview(bare.CHUNK * (size // len(bare.CHUNK)))
        with ThreadPoolExecutor(files) as threads:
            started = time.perf_counter()
            for stored in [threads.submit(self._upload, f"boto/{number}", body) for number in range(files)]:
                stored.result()
            seconds = time.perf_counter() - started
        for number in range(files):
            self._client.delete_object(Bucket=self._bucket, Key=f"boto/{number}")
        return files * size / 1e6 / seconds

    def _upload(self, key: str, body: memoryview) -> None:
        target = {"Bucket": self._bucket, "Key": key}
        target["UploadId"] = self._client.create_multipart_upload(**target)["UploadId"]

        def put(start: int) -> dict[str, Any]:
            number = start // PART_BYTES + 1
            part = bytes(body[start : start + PART_BYTES])
            return {"PartNumber": number, "ETag": self._client.upload_part(**target, PartNumber=number, Body=part)["ETag"]}

        parts = list(self._pool.map(put, range(0, len(body), PART_BYTES)))
        self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})


async def measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name, _store(Path(name)) as (bucket_url, servers):
        os.environ["LONGSHORE_S3_URL"] = bucket_url
        async with longshore(Path(name)) as credentials:
            standalone = process()
            base = bare.Server(int(credentials["base_url"].rpartition(":")[2]), standalone.pid)
            fields = {"UPLOADCARE_PUB_KEY": credentials["public_key"], "UPLOADCARE_STORE": "0"}
            request = form.request_with(fields)

            def upload(files: int, size: int) -> float:
                return bare.rate(base, Path(name) / "nothing", request, files, size)

            sender = {"sender": psutil.Process()}
            boto = Boto(bucket_url).upload
            await asyncio.to_thread(bare.rate, base, Path(name) / "nothing", request, 1, bare.MIB)
            for files, size in SIZES:
                here, there = Side(boto, sender | servers), Side(upload, sender | servers | {"longshore": standalone})
                for _ in range(rounds):
                    await asyncio.to_thread(here.measure, files, size)
                    await asyncio.to_thread(there.measure, files, size)
                report(f"{files} x {size // bare.MIB} MiB", here, there, rounds * files * size / 1e9)
            print(f"peak memory of the standalone: {base.peak_mib():.0f} MiB")


def report(name: str, boto: Side, base: Side, gigabytes: float) -> None:
    ratio = median(there / here for here, there in zip(boto.rates, base.rates, strict=True))
    verdict = "" if ratio >= AIM else f"  below {AIM}"
    print(f"{name}: boto3 {median(boto.rates):.0f} MB/s, /base/ {median(base.rates):.0f} MB/s, ratio {ratio:.2f}{verdict}")
    for side, title in ((boto, "boto3"), (base, "/base/")):
        costs = ", ".join(f"{one} {seconds / gigabytes:.2f}" for one, seconds in side.cpu.items())
        print(f"    CPU s/GB with {title}: {costs}", flush=True)


@contextmanager
def _store(folder: Path) -> Iterator[tuple[str, dict[str, psutil.Process]]]:
    """A bucket's URL, and the server where it is a process that this one has started."""
    before = set(psutil.Process().children())
    with s3.running(folder) as url:
        started = set(psutil.Process().children()) - before
        yield s3.bucket_url(url), {one.name(): one for one in started}


def _cpu_seconds(one: psutil.Process) -> float:
    used = one.cpu_times()
    return float(used.user + used.system)


def _wait_until_quiet(processes: Collection[psutil.Process]) -> None:
    used, before = 1.0, 0.0
    while used > QUIET_SECONDS * QUIET_SHARE:
        time.sleep(QUIET_SECONDS)
        now = sum(_cpu_seconds(one) for one in processes if one.pid != os.getpid())
        used, before = now - before, now


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(measure(parser.parse_args().rounds))
