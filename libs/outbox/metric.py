"""What operators watch of an outbox."""

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("longshore_published", "Events that the bus has taken.", ["service"])
RESENT = Counter("longshore_resent", "Events published once more, in case the broker lost them.", ["service"])
POSTPONED = Counter("longshore_publish_failed", "Publications that have to be repeated.", ["service"])
PENDING = Gauge("longshore_outbox_pending", "Rows that wait in the outbox.", ["service"])
STUCK = Gauge("longshore_outbox_stuck", "Rows that failed 20 times or more; they stay. Alarm above 0.", ["service"])
OLDEST = Gauge("longshore_outbox_oldest_seconds", "Age of the oldest row in the outbox.", ["service"])
