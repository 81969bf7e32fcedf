"""A `Batch` of the disk store: temporary files, named when all of them are complete."""

from collections.abc import Sequence
from concurrent.futures import wait

from libs.object_store.batch import Target
from libs.object_store.disk_change import Delete, storing
from libs.object_store.disk_files import DiskFiles
from libs.object_store.incoming import Incoming
from libs.object_store.port import ObjectInfo


class DiskBatch:
    def __init__(self, files: DiskFiles) -> None:
        self._files = files
        self._incoming: list[Incoming] = []

    def begin(self) -> None:
        self._incoming.append(self._files.create())

    def write(self, buffer: bytearray, start: int, stop: int) -> None:
        self._incoming[-1].write_buffered(buffer, stop - start, start)

    def end(self) -> None:
        # Now, so that a batch has one descriptor open however many objects there are.
        if not self._incoming[-1].is_held:
            self._incoming[-1].finish()

    def commit(self, targets: Sequence[Target]) -> list[ObjectInfo]:
        changes = [
            storing(self._files, incoming, target.key, target.content_type)
            for incoming, target in zip(self._incoming, targets, strict=True)
        ]
        futures = [self._files.writer.submit(change) for change in changes]
        try:
            return [future.result() for future in futures]
        except BaseException:
            wait(futures)
            stored = [target.key for target, future in zip(targets, futures, strict=True) if future.exception() is None]
            self._files.writer.submit(Delete(self._files, stored)).result()
            raise

    def discard(self) -> None:
        """What was committed stays."""
        for incoming in self._incoming:
            incoming.discard()
