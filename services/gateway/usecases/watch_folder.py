"""Names and removes the places that are watched; ingest, which watches them, is told in the same commit."""

from pydantic import BaseModel

from contracts.container import CONTAINER, S3Container, WatchedBucket, WatchedDirectory
from contracts.events import WatchFolderConfigured
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.secret import SecretBox
from services.gateway.domain.container import LinkedContainer, WatchFolder
from services.gateway.domain.error import InvalidFieldError
from services.gateway.store import WatchFolderStore

NAMED, REMOVED = 1, 2
"""The two revisions of a watch folder."""


async def add_watch_folder(
    work: UnitOfWork, secrets_box: SecretBox, folder: WatchFolder, container: LinkedContainer | None
) -> None:
    """`container` is that of a bucket. Raises InvalidFieldError where it is not one of S3."""
    settings = _settings(secrets_box, folder, container)
    await WatchFolderStore(work.connection).insert(folder)
    _tell(work, folder, secrets_box.seal(settings.model_dump_json()), removed=False)


async def remove_watch_folder(work: UnitOfWork, secrets_box: SecretBox, folder: WatchFolder) -> None:
    """Files that were found before still become uploads."""
    if await WatchFolderStore(work.connection).delete(folder.id):
        _tell(work, folder, secrets_box.seal("{}"), removed=True)


def _settings(secrets_box: SecretBox, folder: WatchFolder, container: LinkedContainer | None) -> BaseModel:
    if container is None:
        assert folder.path is not None, "a directory has a path"
        return WatchedDirectory(path=folder.path)
    reached = CONTAINER.validate_json(secrets_box.open(container.settings_sealed))
    if not isinstance(reached, S3Container):
        raise InvalidFieldError("container_id", "Only containers of kind s3 can be watched.")
    return WatchedBucket(container=reached, prefix=folder.prefix or "")


def _tell(work: UnitOfWork, folder: WatchFolder, settings_encrypted: str, *, removed: bool) -> None:
    work.emit(
        WatchFolderConfigured(
            watch_folder_id=folder.id,
            tenant_id=folder.tenant_id,
            revision=REMOVED if removed else NAMED,
            kind=folder.kind,
            on_success=folder.on_success,
            settings_encrypted=settings_encrypted,
            removed=removed,
        )
    )
