"""One service as a process of its own; `services/<name>/__main__.py` is a call of `main`."""

import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import uvloop
from pydantic import SecretStr, ValidationError

from libs.messaging.rabbitmq import RabbitMqBus
from libs.object_store.port import ObjectStore
from libs.object_store.s3 import S3Store
from libs.observability.logging import configure_logging
from libs.observability.tracing import configure_tracing
from libs.runtime.file_limit import raise_file_limit
from libs.runtime.host import Host
from libs.runtime.service import Service
from libs.runtime.settings import ServiceSettings

T = TypeVar("T")
S = TypeVar("S", bound=ServiceSettings)

REQUIRED = ("bus_url", "postgres_dsn")
"""What no service can do without when it runs alone."""

WRONG_SETTINGS = 2
"""Exit status: starting again changes nothing."""


def main(name: str, build: Callable[[S], Service], settings_class: type[S], *, needs: tuple[str, ...]) -> None:
    """Runs until SIGINT or SIGTERM. Settings that are missing or wrong end it with one line that names them.

    `needs` are the fields that this service requires besides `REQUIRED`: it is given no secret that it has no use for.
    """
    settings = read_settings(settings_class, required=(*REQUIRED, *needs), service=name)
    raise_file_limit()
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing(name)
    uvloop.run(_run(name, build, settings))


async def _run(name: str, build: Callable[[S], Service], settings: S) -> None:
    service = built(lambda: build(settings))
    bus = RabbitMqBus(_value(settings.bus_url), name)
    await Host(settings, [service], bus, service.web).run(f"ready: {name}")


def on_s3(build: Callable[[S, ObjectStore], Service]) -> Callable[[S], Service]:
    """`build` with the store that `s3_url` names."""
    return lambda settings: build(settings, s3_store(settings))


def built(build: Callable[[], T]) -> T:
    """What `build` makes; where settings or this machine do not allow it, the end of the process with their reason."""
    try:
        return build()
    except Exception as error:
        if isinstance(error, ValueError) or hasattr(error, "code"):
            give_up(str(error), WRONG_SETTINGS)
        raise


def s3_store(settings: ServiceSettings) -> S3Store:
    return S3Store.from_url(
        _value(settings.s3_url),
        public_url=settings.s3_public_url,
        presign_key=settings.s3_presign_key.get_secret_value() if settings.s3_presign_key else None,
    )


def read_settings(settings_class: type[S], required: tuple[str, ...] = (), *, service: str | None = None) -> S:
    """The settings from the environment, or the end of the process with exit status 2.

    `service` may have a database of its own where `postgres_dsn` is required.
    """
    try:
        settings = settings_class()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        give_up(f"{variable(str(first['loc'][0]))}: {first['msg']}", WRONG_SETTINGS)
    found = settings.model_dump()
    if service is not None:
        found["postgres_dsn"] = settings.dsn_of(service)
    if missing := [variable(field) for field in required if found[field] is None]:
        give_up(f"{' and '.join(missing)} must be set", WRONG_SETTINGS)
    return settings


def variable(field: str) -> str:
    return f"LONGSHORE_{field.upper()}"


def give_up(message: str, status: int = 1) -> NoReturn:
    """One line for the operator instead of a traceback."""
    print(f"longshore: {message}", file=sys.stderr, flush=True)
    raise SystemExit(status)


def _value(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
