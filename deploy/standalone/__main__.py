"""`make run`: everything in one process."""

from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from socket import socket

import uvloop

from deploy.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from deploy.postgres.prepare import SERVICES, prepare_all
from deploy.standalone.place import DataFolder, PlaceTakenError, bind, stop_on_sigterm
from deploy.standalone.settings import StandaloneSecrets, StandaloneSettings
from libs.observability.logging import configure_logging
from libs.observability.tracing import configure_tracing
from libs.runtime.file_limit import raise_file_limit
from libs.runtime.host import Host
from libs.runtime.process import built, give_up, read_settings


def main() -> None:
    raise_file_limit()
    settings = read_settings(StandaloneSettings)
    configure_logging(settings.log_level, settings.log_format)
    configure_tracing("longshore")
    stop_on_sigterm()
    with ExitStack() as stack:
        try:
            start(settings, stack)
        except (PlaceTakenError, EmbeddedPostgresError) as error:
            give_up(str(error))
        except KeyboardInterrupt:
            give_up("stopped before it was ready")


def start(settings: StandaloneSettings, stack: ExitStack) -> None:
    """Takes its place (folder, ports, database), then serves until it is told to stop; `stack` gives the place back."""
    folder = stack.enter_context(DataFolder(settings.data_dir))
    http_socket = stack.enter_context(bind("LONGSHORE_HTTP_PORT", settings.http_host, settings.http_port))
    ops_socket = stack.enter_context(bind("LONGSHORE_OPS_PORT", settings.ops_host, settings.ops_port))
    secrets = StandaloneSecrets.in_folder(folder)
    needs_postgres = any(settings.dsn_of(service) is None for service in SERVICES)
    postgres = _launch_postgres(folder, stack) if needs_postgres else None
    settings = settings.filled_in(
        secrets,
        http_port=http_socket.getsockname()[1],
        ops_port=ops_socket.getsockname()[1],
        postgres_dsn=postgres.dsn if postgres else None,
    )
    # The services' code is loaded while the database starts: each takes a good part of the start.
    import_module("deploy.standalone.app")
    if postgres:
        postgres.wait_until_ready()
    uvloop.run(_serve(settings, secrets, http_socket, ops_socket))


async def _serve(settings: StandaloneSettings, secrets: StandaloneSecrets, http_socket: socket, ops_socket: socket) -> None:
    from deploy.standalone.app import compose

    await prepare_all(settings)
    if settings.bus_url:
        from deploy.rabbitmq.deployed import topology
        from libs.messaging.amqp.declare import declare

        await declare(settings.bus_url.get_secret_value(), topology())
    installation = built(lambda: compose(settings, secrets))
    host = Host(
        settings, installation.services, installation.bus, installation.public, http_socket=http_socket, ops_socket=ops_socket
    )
    await host.run(f"ready: {settings.public_base_url} (health and metrics on port {settings.ops_port}, Ctrl-C stops)")


def _launch_postgres(folder: Path, stack: ExitStack) -> EmbeddedPostgres:
    server = EmbeddedPostgres(folder / "postgres")
    stack.callback(server.stop)
    server.launch()
    return server


main()
