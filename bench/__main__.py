"""`make bench`: every figure, each with what it is compared to in the same run. Nothing is asserted: machines are noisy."""

import subprocess
import sys

PARTS = {
    "bench.put": "Bytes: a streamed PUT into the disk store beside a bare socket-to-file copy",
    "bench.small": "Small uploads: into the disk store and promoted, beside one durable file each",
    "bench.form": "Forms: form-data into the disk store beside a bare socket-to-file copy",
    "bench.base": "Uploads: POST /base/ of a standalone beside a bare socket-to-file copy",
    "bench.base_s3": "Uploads into S3: POST /base/ of a standalone beside boto3's parallel upload to the same server",
    "bench.read": "Files: small and large published ones of a standalone beside nginx",
    "bench.register": "Registrations: each of the five APIs beside a bare validated endpoint",
    "bench.chain": "The whole chain: CPU, statements, commits and WAL of one small upload in a burst",
    "bench.chain --distributed": "The same with every service in a process of its own, on RabbitMQ and an S3 server",
    "bench.latency": "Latency: from stored to webhook, alone and at half of the saturating load",
    "bench.latency --distributed": "The same in the distributed form",
    "bench.drain": "Drain: what waited for a stopped service",
    "bench.media": "Media: the ladder of a 1080p video beside one plain ffmpeg command, images beside libvips in process",
    "bench.webhooks": "Webhooks: first attempts of a burst, beside hostile receivers too, and a backlog that drains",
    "bench.growth": "Growth: what an upload leaves behind, and what later ones cost",
}


def main() -> int:
    failed = 0
    for command, title in PARTS.items():
        print(f"\n{title} (python -m {command})", flush=True)
        failed |= subprocess.run([sys.executable, "-m", *command.split()], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
