"""`python -m bench.base`: files through `POST /base/` of a whole standalone beside a bare socket → file copy, in one run.

As `bench.form`, with all that the route does besides: keys, limits, the look at the first bytes, the registration, and what the
services make of each file at the same time. That route takes files below 100 MB.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench import bare, form
from bench.standalone import process
from deploy.demo import longshore

AIM = 0.7
SIZES = ((1, 96 * bare.MIB), (8, 32 * bare.MIB))
MANY = 11
"""So many files, one after the other, are more than 1 GiB."""


async def measure(rounds: int, parent: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=parent, prefix="bench-") as folder:
        path = Path(folder)
        (path / "bare").mkdir()
        async with longshore(path) as credentials:
            base = bare.Server(int(credentials["base_url"].rpartition(":")[2]), process().pid)
            fields = {"UPLOADCARE_PUB_KEY": credentials["public_key"], "UPLOADCARE_STORE": "0"}
            request = form.request_with(fields)
            await asyncio.to_thread(compare, path / "bare", base, request, rounds)
            before = base.peak_mib()
            for _ in range(MANY):
                await asyncio.to_thread(bare.rate, base, path / "bare", request, 1, SIZES[0][1])
            print(f"peak memory of the standalone: {before:.0f} MiB, {base.peak_mib():.0f} MiB after 1 GiB more")


def compare(folder: Path, base: bare.Server, request: bare.Request, rounds: int) -> None:
    print(f"{'':26}{'bare MB/s':>11}{'/base/ MB/s':>12}{'ratio':>8}")
    with bare.server("bench.form", "bare", folder, sync=True) as copy:
        for connections, size in SIZES:
            pairs = [
                (
                    bare.rate(copy, folder, bare.bare_request, connections, size),
                    bare.rate(base, folder, request, connections, size),
                )
                for _ in range(rounds)
            ]
            report(f"{connections} x {size // bare.MIB} MiB, fdatasync", pairs)


def report(name: str, pairs: Sequence[tuple[float, float]]) -> None:
    ratio = median(there / here for here, there in pairs)
    here, there = (median(side) for side in zip(*pairs, strict=True))
    print(f"{name:26}{here:11.0f}{there:12.0f}{ratio:8.2f}{'' if ratio >= AIM else f'  below {AIM}'}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rounds, arguments.folder))
