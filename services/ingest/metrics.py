"""What ingest counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ENDED: Final = Counter("longshore_fetches_ended", "Fetches that ended: completed, or the code of the failure.", ["outcome"])
RETRIED: Final = Counter("longshore_fetches_retried", "Attempts that failed and were repeated, by code.", ["code"])
BYTES: Final = Counter("longshore_fetched_bytes", "Bytes read from sources, those of failed attempts too.")
SECONDS: Final = Histogram(
    "longshore_fetch_attempt_seconds", "How long an attempt took.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800, 3600),
)  # fmt: skip
IN_FLIGHT: Final = Gauge("longshore_fetches_in_flight", "Fetches under way in this process.")
PENDING: Final = Gauge("longshore_fetches_pending", "Fetches that have not ended.")
OLDEST: Final = Gauge("longshore_fetches_oldest_seconds", "Age of the oldest fetch that has not ended.")
WATCHED: Final = Counter(
    "longshore_watched_files", "Files of watch folders: found, taken (uploads now), kept (refused).", ["what"]
)
