"""What may be sent under one upload id of the MediaLab API: a batch of files, its limits, and its end (M-10 to M-19).

A batch is open until it is finished, by the client or by itself with its first upload, or until its time is over. Limits
that were not given do not apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import NewType
from uuid import UUID

from contracts.ids import TenantId
from services.gateway.domain.error import GatewayError

BatchId = NewType("BatchId", UUID)


class BatchNotFoundError(GatewayError):
    """There is no such upload id"""

    code = "upload_id_not_found"


class BatchExpiredError(GatewayError):
    """This upload id has expired"""

    code = "upload_id_expired"


class BatchFinishedError(GatewayError):
    """This upload id is finished"""

    code = "upload_id_finished"


class FileOverLimitError(GatewayError):
    """A file is larger than this upload id allows"""

    code = "max_filesize_exceeded"


class FilesOverLimitError(GatewayError):
    """More files than this upload id allows"""

    code = "max_files_exceeded"


class TotalOverLimitError(GatewayError):
    """The files together are larger than this upload id allows"""

    code = "max_size_exceeded"


class ExtensionRefusedError(GatewayError):
    """Files with this extension are not accepted under this upload id"""

    code = "file_extension_not_allowed"


@dataclass(frozen=True)
class NewBatch:
    """One that is to be opened; its limits are as those of `Batch`."""

    id: BatchId
    tenant_id: TenantId
    folder_number: int
    """Of the folder for files that name none; 0: the root."""
    created_at: datetime
    expires_at: datetime
    max_file_bytes: int | None
    max_files: int | None
    max_total_bytes: int | None
    extensions: Sequence[str]
    transcode: bool
    hides_response: bool
    finishes_itself: bool


@dataclass(frozen=True)
class Batch:
    id: BatchId
    tenant_id: TenantId
    folder: str
    """Path of the folder for files that name none."""
    created_at: datetime
    expires_at: datetime
    max_file_bytes: int | None = None
    """`max_filesize`"""
    max_files: int | None = None
    max_total_bytes: int | None = None
    """`max_size`"""
    extensions: Sequence[str] = ()
    """`file_extensions`, lower case, without the dot; empty: all."""
    transcode: bool = True
    """Not `no_transcode`."""
    hides_response: bool = False
    finishes_itself: bool = True
    """`autofinish`"""
    finished_at: datetime | None = None
    file_count: int = 0
    total_bytes: int = 0

    @property
    def files_left(self) -> int | None:
        return None if self.max_files is None else max(0, self.max_files - self.file_count)

    @property
    def bytes_left(self) -> int | None:
        return None if self.max_total_bytes is None else max(0, self.max_total_bytes - self.total_bytes)

    def check_open(self, now: datetime) -> None:
        """`now`: when the request began, for one that began in time may end later (decision 5.4.10).

        Raises BatchFinishedError, BatchExpiredError or FilesOverLimitError.
        """
        if self.finished_at is not None:
            raise BatchFinishedError
        if now >= self.expires_at:
            raise BatchExpiredError
        if self.files_left == 0:
            raise FilesOverLimitError

    def check_name(self, file_name: str) -> None:
        """Raises ExtensionRefusedError."""
        if self.extensions and PurePosixPath(file_name).suffix.lower().lstrip(".") not in self.extensions:
            raise ExtensionRefusedError

    def with_files(self, sizes_bytes: Sequence[int], now: datetime) -> "Batch":
        """Afterwards, for files that came in one request: all of them or none.

        Raises BatchFinishedError, FileOverLimitError, FilesOverLimitError or TotalOverLimitError.
        """
        if self.finished_at is not None:
            raise BatchFinishedError
        if self.max_file_bytes is not None and max(sizes_bytes) > self.max_file_bytes:
            raise FileOverLimitError
        if self.files_left is not None and len(sizes_bytes) > self.files_left:
            raise FilesOverLimitError
        if self.bytes_left is not None and sum(sizes_bytes) > self.bytes_left:
            raise TotalOverLimitError
        return replace(
            self,
            file_count=self.file_count + len(sizes_bytes),
            total_bytes=self.total_bytes + sum(sizes_bytes),
            finished_at=now if self.finishes_itself else None,
        )
