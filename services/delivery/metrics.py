"""What delivery counts."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("longshore_webhook_attempts", "Attempts by outcome: class of the status, or the error's code.", ["outcome"])
ENDED = Counter("longshore_webhooks_ended", "Webhooks that were delivered or failed for good.", ["status"])
SECONDS = Histogram(
    "longshore_webhook_attempt_seconds",
    "How long an attempt took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
IN_FLIGHT = Gauge("longshore_webhooks_in_flight", "Attempts under way in this process.")
PENDING = Gauge("longshore_webhooks_pending", "Webhooks that have not ended.")
OLDEST = Gauge("longshore_webhooks_oldest_seconds", "Age of the oldest webhook that has not ended.")
DISABLED = Counter("longshore_webhook_endpoints_given_up", "Webhook endpoints that were disabled here.", ["reason"])
