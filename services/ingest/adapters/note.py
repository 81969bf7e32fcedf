"""Error notes beside the files of a watched directory. Blocking: for threads."""

import os
from contextlib import suppress
from typing import Final

from services.ingest.adapters.inside import open_file, status
from services.ingest.adapters.place import PlaceUnavailableError
from services.ingest.domain.watch import ERROR, beside, is_error_note

MAX_NOTE_BYTES: Final = 64 * 1024


def check_note_name(folder: int, name: str) -> None:
    """Raises PlaceUnavailableError where a file that is no note of ours is called like the note of the file `name`."""
    note = beside(name, ERROR)
    if status(folder, note) is not None and not _is_ours(folder, note):
        raise PlaceUnavailableError(f"another file is called {note}")


def remove_note(folder: int, name: str) -> None:
    """Removes the note of the file `name`, where there is one; somebody else's file that is called so stays."""
    note = beside(name, ERROR)
    if _is_ours(folder, note):
        with suppress(FileNotFoundError):
            os.unlink(note, dir_fd=folder)


def _is_ours(folder: int, note: str) -> bool:
    if (found := status(folder, note)) is None or found.st_size > MAX_NOTE_BYTES:
        return False
    with os.fdopen(open_file(folder, note), "rb") as file:
        return is_error_note(file.read(MAX_NOTE_BYTES))
