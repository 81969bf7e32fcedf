"""The database of a service, as the settings say."""

from libs.postgres.database import Database
from libs.runtime.settings import ServiceSettings


def service_database(settings: ServiceSettings, service: str) -> Database:
    """Raises ValueError where no DSN is set."""
    dsn = settings.dsn_of(service)
    if dsn is None:
        raise ValueError(f"LONGSHORE_POSTGRES_DSN or LONGSHORE_{service.upper()}_POSTGRES_DSN must be set")
    return Database(dsn, service, max_connections=settings.postgres_pool)
