"""Ingest's outside world: the sources."""
