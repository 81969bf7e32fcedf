"""A place that is watched, as ingest needs it: what lies there, the bytes of one file, and what becomes of it afterwards."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from services.ingest.domain.watch import Sighting, WatchedFile

MAX_SIGHTINGS: Final = 10_000
"""Of one survey; the others are seen when these have gone."""


class PlaceUnavailableError(Exception):
    """The place cannot be reached, or does not allow what is needed; worth another try."""

    code = "place_unavailable"


@dataclass(frozen=True)
class LocalDirectory:
    """One of this machine: another one that is made or mounted at the same path is not the same."""

    path: Path
    device: int
    inode: int


@dataclass(frozen=True)
class Survey:
    files: Sequence[Sighting]
    """Candidates; without those beside which the reason of their refusal lies."""
    directories: frozenset[LocalDirectory] = frozenset()
    """Of this machine, in which a change is worth another survey."""
    orphaned_notes: Sequence[str] = ()
    """Paths of files that seem to be gone, while something that is called like the error note of each is there."""


class Place(Protocol):
    """Every method but `open` may be repeated at any time after any interruption."""

    async def survey(self) -> Survey:
        """Raises PlaceUnavailableError."""

    async def select_closed(self, files: Sequence[Sighting], limit: int) -> Sequence[Sighting]:
        """The first `limit` of them that nobody has open for writing, as far as that can be known. Raises
        PlaceUnavailableError."""

    def open(self, file: WatchedFile) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of exactly the file that was found. Raises FetchError, also while they are read."""

    async def accept(self, file: WatchedFile, on_success: Literal["delete", "move"]) -> str | None:
        """It is an upload now: it goes, and the note beside it. One that was changed meanwhile stays.

        Answers the path at which it was set aside, where somebody may still write to it: `recheck` it there.
        Raises PlaceUnavailableError.
        """

    async def recheck(self, file: WatchedFile, aside_path: str, *, remove: bool) -> bool:
        """Brings a file back that has changed since it was set aside; one that has not is removed, if that is asked for.

        False where it still lies there. Raises PlaceUnavailableError.
        """

    async def remove_orphaned_note(self, path: str) -> None:
        """Removes the error note of a file that is not there any more. Raises PlaceUnavailableError."""

    async def refuse(self, file: WatchedFile, reason: str) -> None:
        """It stays, with the reason beside it; where it has gone, nothing. Raises PlaceUnavailableError."""
