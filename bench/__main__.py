"""`make bench`: every figure, each with what it is compared to in the same run. Nothing is asserted: machines are noisy."""

import subprocess
import sys

PARTS = {
    "bench.put": "Bytes: a streamed PUT into the disk store beside a bare socket-to-file copy",
    "bench.small": "Small uploads: into the disk store and promoted, beside one durable file each",
    "bench.form": "Forms: form-data into the disk store beside a bare socket-to-file copy",
    "bench.base": "Uploads: POST /base/ of a standalone beside a bare socket-to-file copy",
    "bench.read": "Files: small and large published ones of a standalone beside nginx",
    "bench.register": "Registrations: each of the five APIs beside a bare validated endpoint",
    "bench.chain": "The whole chain: CPU, statements, commits and WAL of one small upload in a burst",
    "bench.growth": "Growth: what an upload leaves behind, and what later ones cost",
    "bench.latency": "Latency: from stored to webhook",
}


def main() -> int:
    failed = 0
    for module, title in PARTS.items():
        print(f"\n{title} (python -m {module})", flush=True)
        failed |= subprocess.run([sys.executable, "-m", module], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
