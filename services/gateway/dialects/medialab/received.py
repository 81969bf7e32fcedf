"""What a form says about each of its files (M-24)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from libs.file_name.name import clean_name, without_invisible
from libs.web.form import Field, FilePart, ReceivedFile
from libs.web.route import HttpError
from services.gateway.dialects.medialab.schemas import MAX_TITLE, FolderNumber
from services.gateway.domain.error import FolderNotFoundError, InvalidFieldError

_FOLDER_NUMBER: TypeAdapter[int] = TypeAdapter(FolderNumber)


class FileRequiredError(HttpError):
    """The form holds no file."""

    code = "file_required"


@dataclass(frozen=True)
class Described:
    """A file that came, in its client's words."""

    file: ReceivedFile
    name: str
    title: str
    folder_number: int | None
    """None: the upload id's own folder."""


def describe(files: Sequence[ReceivedFile], fields: Sequence[Field], *, query: int) -> list[Described]:
    """`query`: how many of `fields`, the first ones, are the query's; what the body says wins over them.

    Raises FileRequiredError, InvalidFieldError or FolderNotFoundError.
    """
    if not files:
        raise FileRequiredError("The form holds no file.")
    titles = _for_each("title", fields[query:], len(files)) or [None] * len(files)
    in_query, in_body = (_for_each("folder_id", part, len(files)) for part in (fields[:query], fields[query:]))
    folders = in_body or in_query or [None] * len(files)
    return [_describe(*about) for about in zip(files, titles, folders, strict=True)]


def _for_each(name: str, fields: Sequence[Field], files: int) -> list[str | None]:
    """The values of a field, one for each file: it stands once for all of them, or once for each. Empty: not at all."""
    values: list[str | None] = [value for known, value in fields if known in (name, f"{name}[]")]
    if len(values) == 1:
        return values * files
    if values and len(values) != files:
        raise InvalidFieldError(name, f"{name} must stand once, or once for each file")
    return values


def name_of(part: FilePart) -> str:
    """What the file is called: by itself, or by its field."""
    return clean_name(part.filename) or clean_name(part.field) or "file"


def _describe(file: ReceivedFile, title: str | None, folder: str | None) -> Described:
    name = name_of(file.part)
    if title is not None and len(title) > MAX_TITLE:
        raise InvalidFieldError("title", f"title may have at most {MAX_TITLE} characters")
    try:
        number = _FOLDER_NUMBER.validate_python(folder) if folder else None
    except ValueError:
        raise FolderNotFoundError from None
    return Described(file, name, without_invisible(title or "") or name, number)
