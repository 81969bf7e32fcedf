"""How watch folders are reached: from sealed settings to a place."""

from pathlib import Path

from contracts.container import WatchedBucket, WatchedDirectory
from libs.egress.client import GuardedClient
from libs.runtime.secret import SecretBox
from services.ingest.adapters.bucket import Bucket
from services.ingest.adapters.directory import Directory
from services.ingest.adapters.place import Place
from services.ingest.domain.ignored_name import IgnoredNames
from services.ingest.domain.watch import WatchFolder


class Places:
    def __init__(
        self,
        root: Path,
        client: GuardedClient,
        secrets_box: SecretBox,
        ignored: IgnoredNames,
        *,
        timeout_seconds: float,
        idle_seconds: float,
    ) -> None:
        """`root` is that of all watched directories."""
        self._root = root
        self._client = client
        self._secrets_box = secrets_box
        self._ignored = ignored
        self._timeout_seconds = timeout_seconds
        self._idle_seconds = idle_seconds

    def of(self, folder: WatchFolder) -> Place:
        settings = self._secrets_box.open(folder.settings_sealed)
        if folder.kind == "directory":
            return Directory(self._root, WatchedDirectory.model_validate_json(settings).path, self._ignored)
        bucket = WatchedBucket.model_validate_json(settings)
        return Bucket(
            bucket, self._client, self._ignored, timeout_seconds=self._timeout_seconds, idle_seconds=self._idle_seconds
        )
