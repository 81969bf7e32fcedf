"""Which files Uploadcare's CDN addresses lead to: those of its API that were verified and are kept."""

from uuid import UUID

from contracts.ids import UploadId
from services.gateway.domain.served_file import ServedFile
from services.gateway.domain.upload import Upload
from services.gateway.files.lookup import FileLookup
from services.gateway.files.published import kept
from services.gateway.files.soon import NotYetError, soon


class UploadcareFiles:
    def __init__(self, lookup: FileLookup) -> None:
        self._lookup = lookup

    async def find(self, file_id: str) -> ServedFile | None:
        """What lies behind `/{file_id}/` now, or as soon as it is verified."""

        async def look() -> ServedFile | None:
            file = await self._lookup.by_id(UploadId(UUID(file_id)))
            return file if file is not None and _is_public(file) else None

        return await soon(look)

    async def has_group(self, group_id: str, files_count: int) -> bool:
        return await self._lookup.has_group(UUID(group_id), files_count)

    async def find_in_group(self, group_id: str, files_count: int, position: int) -> tuple[ServedFile, str] | None:
        """The same behind `/{group_id}~{files_count}/nth/{position}/`, and the group's image operations for it."""

        async def look() -> tuple[ServedFile, str] | None:
            found = await self._lookup.in_group(UUID(group_id), files_count, position)
            return found if found is not None and _is_public(found[0]) else None

        return await soon(look)

    async def inspected(self, file: ServedFile) -> Upload | None:
        """Its upload as soon as it is known what the bytes are, or that nobody will tell; None where that takes longer."""

        async def look() -> Upload | None:
            upload = await self._lookup.whole(file.id)
            if upload is not None and upload.busy and not upload.inspected:
                raise NotYetError(file)
            return upload

        return await soon(look)

    async def is_published(self, upload_id: UploadId) -> bool:
        return await self.find(str(upload_id)) is not None


def _is_public(file: ServedFile) -> bool:
    """Raises NotYetError where its bytes have come and are not verified."""
    if file.dialect != "uploadcare" or file.removed or not kept(file):
        return False
    if not file.has_file and file.came:
        raise NotYetError(file)
    return file.has_file
