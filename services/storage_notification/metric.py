"""What the storage notification service counts."""

from prometheus_client import Counter, Gauge

RECORDS = Counter("longshore_storage_records", "Records of notifications", ["outcome"])
"""`accepted`, `early` (no registration yet), `malformed`, `skipped` (not ours)."""
ANNOUNCED = Counter("longshore_storage_announced", "ObjectStored events", ["noticed_by"])
STRAYS = Counter("longshore_storage_strays", "Objects below staging/ that belonged to no open upload and were deleted")
ABORTED = Counter(
    "longshore_storage_stray_multiparts", "Open multipart uploads that belonged to no open upload and were aborted"
)
ROWS = Gauge("longshore_storage_rows", "Rows kept", ["kind"])
"""`expected` and `notices`."""
