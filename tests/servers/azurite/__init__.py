"""Azurite, Microsoft's own emulator of Azure Blob Storage, in Node; nothing of it stays on disk.

Its packages lie in `node_modules` (package-lock.json, `make test`).
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from uuid import uuid4

from azure.storage.blob import BlobServiceClient

ACCOUNT, KEY = "longshoretest", "bG9uZ3Nob3JlLXRlc3QtYWNjb3VudC1rZXk="
PROGRAM = Path(__file__).parent / "node_modules/azurite/dist/src/blob/main.js"
START_SECONDS = 60


@dataclass(frozen=True)
class Azurite:
    account_url: str

    def container(self, **blobs: bytes) -> str:
        """The name of a new one in which these lie; blocking, as the SDK is."""
        name = f"test-{uuid4().hex}"
        with BlobServiceClient(self.account_url, credential=KEY) as service:
            service.create_container(name)
        self.put(name, **blobs)
        return name

    def put(self, container: str, **blobs: bytes) -> None:
        with BlobServiceClient(self.account_url, credential=KEY) as service:
            for key, content in blobs.items():
                service.get_blob_client(container, key).upload_blob(content, overwrite=True)


@contextmanager
def running(folder: Path) -> Iterator[Azurite]:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with (folder / "azurite.log").open("ab") as log:
        command = ["node", str(PROGRAM), *options, "--skipApiVersionCheck"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_it_answers(process, port, folder / "azurite.log")
        yield Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"azurite did not start: {log.read_text()[-500:]}")
