"""What publishing counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS: Final = Counter(
    "longshore_publication_attempts", "Attempts by kind of account: published, or the code of the failure.", ["kind", "outcome"]
)
ENDED: Final = Counter("longshore_publications_ended", "Publications that ended.", ["status"])
BYTES: Final = Counter("longshore_published_bytes", "Bytes read for destinations, those of failed attempts too.")
SECONDS: Final = Histogram(
    "longshore_publication_attempt_seconds", "How long an attempt took.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800, 3600),
)  # fmt: skip
LATE: Final = Histogram(
    "longshore_publication_late_seconds", "How long after it was due an attempt began.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
)  # fmt: skip
IN_FLIGHT: Final = Gauge("longshore_publications_in_flight", "Attempts under way in this process.")
OPEN: Final = Gauge("longshore_publications_open", "Publications that have not ended, those planned for later too.")
OVERDUE: Final = Gauge("longshore_publications_overdue_seconds", "How long the publication that waits longest has been due.")
