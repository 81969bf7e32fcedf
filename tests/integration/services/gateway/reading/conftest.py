"""The whole gateway over HTTP on each store, as the CDN's tests have it."""

from tests.integration.services.gateway.cdn.conftest import gateway, open_gateway, s3_server, store

__all__ = ["gateway", "open_gateway", "s3_server", "store"]
