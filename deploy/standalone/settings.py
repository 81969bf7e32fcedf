"""What a standalone reads from the environment, and the secrets that it makes for itself."""

import json
import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from libs.runtime.secret import new_key
from libs.runtime.settings import ServiceSettings


class StandaloneSettings(ServiceSettings):
    """Every setting of every service counts too; these are the ones that the process itself needs."""

    log_format: Literal["json", "console", "auto"] = "auto"
    sandbox: Literal["strict", "auto"] = "auto"
    """`auto` warns where media cannot be cut off from the network; a service of its own refuses to start there."""
    gateway_recover_credentials: bool = True
    """A lost `credentials.json` comes back with another key; there is no other process that could have it."""
    storage_events_token: SecretStr | None = None
    """What a real object store shows with its notifications; made where it is not set."""

    def filled_in(
        self, secrets: "StandaloneSecrets", *, http_port: int, ops_port: int, postgres_dsn: str | None
    ) -> "StandaloneSettings":
        """With everything decided that the environment left open; `postgres_dsn` None: every service has a database."""
        return self.model_copy(
            update={
                "http_port": http_port,
                "ops_port": ops_port,
                "base_url": self.base_url or f"http://{_reachable(self.http_host)}:{http_port}",
                "postgres_dsn": SecretStr(postgres_dsn) if postgres_dsn else self.postgres_dsn,
                "secret_key": self.secret_key or secrets.secret_key,
                "storage_events_token": self.storage_events_token or secrets.storage_events_token,
            }
        )


def _reachable(host: str) -> str:
    """The address to name for a listener; one that listens everywhere is here at least."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104


class StandaloneSecrets(BaseModel):
    """`<data dir>/secrets.json`, mode 0600: made at the first start, the same ever after."""

    model_config = ConfigDict(frozen=True)

    secret_key: SecretStr = Field(default_factory=lambda: SecretStr(new_key()))
    storage_signing_secret: SecretStr = Field(default_factory=lambda: SecretStr(secrets.token_urlsafe(32)))
    storage_events_token: SecretStr = Field(default_factory=lambda: SecretStr(secrets.token_urlsafe(32)))

    @classmethod
    def in_folder(cls, data_dir: Path) -> "StandaloneSecrets":
        path = data_dir / "secrets.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        found = cls(**known)
        current = {name: value.get_secret_value() for name, value in found}
        if current != known:
            write_private(path, json.dumps(current, indent=2) + "\n")
        return found


def write_private(path: Path, text: str) -> None:
    """Replaces the file as a whole, readable by its owner alone, on disk when this returns."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
