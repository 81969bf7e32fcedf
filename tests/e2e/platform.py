"""A whole Longshore, in either of its forms."""

import json
import os
import secrets
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.fernet import Fernet

from tests.e2e.process import Process

SERVICES = ("gateway", "session", "storage_notification", "ingest", "transcoder", "delivery")

COMMON = {
    "LONGSHORE_EGRESS_ALLOW": "127.0.0.0/8",
    "LONGSHORE_SANDBOX": "auto",
    "LONGSHORE_LOG_FORMAT": "json",
    "LONGSHORE_INGEST_WATCH_SETTLE_SECONDS": "2",
    "LONGSHORE_INGEST_WATCH_EMPTY_SECONDS": "3",
    "LONGSHORE_INGEST_RETRY_SECONDS": "0.2",
}


@dataclass(frozen=True)
class Credentials:
    """What a client reads from `credentials.json`."""

    base_url: str
    ops_url: str
    tenant_id: str
    client_id: str
    org: str
    api_key: str
    webhook_secret: str
    public_key: str
    secret_key: str
    admin_token: str
    private_token: str
    bearer_token: str
    accounts: list[str]
    watch_folder: str


@dataclass
class Platform:
    form: Literal["standalone", "processes"]
    data_dir: Path
    processes: dict[str, Process]
    events_url: str
    """Where the object store's notifications go."""
    events_token: str

    @property
    def credentials(self) -> Credentials:
        return Credentials(**json.loads((self.data_dir / "credentials.json").read_text()))

    @property
    def base_url(self) -> str:
        return self.credentials.base_url

    def prepare(self) -> None:
        """What a deployment does before its services start."""
        environment = next(iter(self.processes.values())).environment
        subprocess.run([sys.executable, "-m", "deploy.cli", "prepare"], env=os.environ | environment, check=True, timeout=60)

    def start(self) -> None:
        for process in self.processes.values():
            process.launch()
        for process in self.processes.values():
            process.wait_until_ready()

    def stop(self) -> None:
        for process in self.processes.values():
            process.ask_to_stop()
        for process in self.processes.values():
            process.stop()


def standalone(folder: Path, **settings: str) -> Platform:
    """One process on ports of its own, everything in `folder`."""
    token = secrets.token_hex(16)
    port, ops_port = free_port(), free_port()
    environment = COMMON | {
        "LONGSHORE_DATA_DIR": str(folder / "data"),
        "LONGSHORE_HTTP_PORT": str(port),
        "LONGSHORE_OPS_PORT": str(ops_port),
        "LONGSHORE_STORAGE_EVENTS_TOKEN": token,
    }
    process = Process("deploy.standalone", environment | settings, folder)
    return Platform("standalone", folder / "data", {"standalone": process}, _events_url(port), token)


def processes(folder: Path, *, postgres_dsn: str, bus_url: str, s3_url: str, **settings: str) -> Platform:
    """Each service a process of its own; the servers are there and prepared."""
    token = secrets.token_hex(16)
    ports = {service: free_port() for service in SERVICES}
    shared = COMMON | {
        "LONGSHORE_DATA_DIR": str(folder / "data"),
        "LONGSHORE_POSTGRES_DSN": postgres_dsn,
        "LONGSHORE_BUS_URL": bus_url,
        "LONGSHORE_S3_URL": s3_url,
        "LONGSHORE_SECRET_KEY": Fernet.generate_key().decode(),
        "LONGSHORE_STORAGE_EVENTS_TOKEN": token,
        "LONGSHORE_POSTGRES_POOL": "4",
        "LONGSHORE_BASE_URL": f"http://127.0.0.1:{ports['gateway']}",
    }
    running = {
        service: Process(
            f"services.{service}",
            shared | {"LONGSHORE_HTTP_PORT": str(ports[service]), "LONGSHORE_OPS_PORT": str(free_port())} | settings,
            folder,
        )
        for service in SERVICES
    }
    return Platform("processes", folder / "data", running, _events_url(ports["storage_notification"]), token)


def free_port() -> int:
    """Not of those that the system gives to outgoing connections: one of these may take it before its server does."""
    while True:
        port = secrets.randbelow(12_000) + 20_000
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _events_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/internal/storage-events"
