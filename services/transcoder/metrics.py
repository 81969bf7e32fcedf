"""What an operator watches."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

JOBS: Final = Counter("longshore_transcoder_jobs_total", "Jobs that ended, by outcome.", ["outcome"])
SECONDS: Final = Histogram(
    "longshore_transcoder_seconds", "Time in a lane, from claim to end.", ["lane"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)  # fmt: skip
QUEUE: Final = Gauge("longshore_transcoder_queue_jobs", "Open jobs, by lane.", ["lane"])
