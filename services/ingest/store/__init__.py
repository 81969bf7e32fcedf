"""All SQL of ingest, one class per group of tables; each takes a connection and holds no state."""

from services.ingest.store.fetch import IngestStore
from services.ingest.store.watch import WatchStore

__all__ = ["IngestStore", "WatchStore"]
