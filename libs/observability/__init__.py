"""Logs (structlog), metrics (Prometheus) and trace context (W3C, OpenTelemetry), the same in every service."""
