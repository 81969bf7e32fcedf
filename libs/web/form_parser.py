"""A multipart form within limits: text fields are gathered here, the bytes of files are handed on as they come. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from libs.web.form_error import (
    FieldTooLargeError,
    FileTooLargeError,
    MalformedFormError,
    NulCharacterError,
    TooManyFieldsError,
    TooManyFilesError,
)
from libs.web.form_head import parse_head
from libs.web.multipart import Buffer, Event, MultipartParser, PartBegan, PartData

Field = tuple[str, str]
"""Name and value."""


@dataclass(frozen=True, kw_only=True)
class FormLimits:
    body_bytes: int
    """Of the whole body, with boundaries and heads."""
    fields: int = 256
    """Text fields, those of the query too."""
    name_bytes: int = 1024
    """Of a field's name or a file's name, in UTF-8."""
    value_bytes: int = 65536
    """Of a text field's value, in UTF-8."""
    files: int = 0
    file_bytes: int | None = None
    """Of each file; None: only `body_bytes` counts."""
    idle_seconds: float = 60.0
    """How long a streamed body may stand still."""
    total_seconds: float = 6 * 3600.0
    """How long a streamed body may take, however steadily it drips."""
    drain_bytes: int = 256 * 1024 * 1024
    """How much of a refused body is still read, so that the client hears the refusal."""
    drain_seconds: float = 30.0


@dataclass(frozen=True)
class FilePart:
    """What a form says about a file, in the client's words."""

    field: str
    filename: str
    """As sent: perhaps empty, perhaps with folders."""
    content_type: str | None
    """As declared."""


@dataclass(frozen=True, slots=True)
class FileBegan:
    part: FilePart


@dataclass(frozen=True, slots=True)
class FileData:
    """`buffer[start:stop]` belongs to the file."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class FileEnded:
    pass


FileEvent = FileBegan | FileData | FileEnded


class FormParser:
    """`feed`, `consumed` and `finish` as `MultipartParser` has them, with events of files only."""

    def __init__(self, boundary: str, limits: FormLimits, fields: Sequence[Field] = ()) -> None:
        """`fields`: what is known already, from the query."""
        self.fields = list(fields)
        self._parser = MultipartParser(boundary)
        self._limits = limits
        self._name = ""
        self._value = bytearray()
        self._files = 0
        self._file_bytes: int | None = None
        """Of the file that is coming in; None while it is a text field."""

    @property
    def consumed(self) -> int:
        return self._parser.consumed

    def feed(self, buffer: Buffer, stop: int) -> Iterator[FileEvent]:
        """The files' events in `buffer[:stop]`. Raises the errors of `form_error`."""
        for event in self._parser.feed(buffer, stop):
            if isinstance(event, PartBegan):
                yield from self._begin(event.head)
            elif self._file_bytes is None:
                self._text(event, buffer)
            elif isinstance(event, PartData):
                self._count(event.stop - event.start)
                yield FileData(event.start, event.stop)
            else:
                yield FileEnded()

    def finish(self) -> None:
        """Raises IncompleteFormError when the final boundary has not come."""
        self._parser.finish()

    def _begin(self, raw: bytes) -> Iterator[FileEvent]:
        head = parse_head(raw)
        check_name(head.name, self._limits)
        if head.filename is None:
            self._name, self._file_bytes = head.name, None
            return
        check_name(head.filename, self._limits)
        self._files += 1
        if not self._limits.files:
            raise MalformedFormError("The form holds a file where none is taken.")
        if self._files > self._limits.files:
            raise TooManyFilesError(f"The form may hold at most {self._limits.files} files.")
        self._file_bytes = 0
        yield FileBegan(FilePart(head.name, head.filename, head.content_type))

    def _text(self, event: Event, buffer: Buffer) -> None:
        if isinstance(event, PartData):
            if len(self._value) + event.stop - event.start > self._limits.value_bytes:
                raise FieldTooLargeError(f"A field's value may have at most {self._limits.value_bytes} bytes.")
            self._value += buffer[event.start : event.stop]
            return
        try:
            value = self._value.decode()
        except UnicodeDecodeError:
            raise MalformedFormError("A field's value is not UTF-8.") from None
        self._value.clear()
        add_field(self.fields, (self._name, value), self._limits)

    def _count(self, size: int) -> None:
        self._file_bytes = (self._file_bytes or 0) + size
        if self._limits.file_bytes is not None and self._file_bytes > self._limits.file_bytes:
            raise FileTooLargeError(f"A file may have at most {self._limits.file_bytes} bytes.")


def add_field(fields: list[Field], field: Field, limits: FormLimits) -> None:
    """Appends it to `fields`. Raises TooManyFieldsError, FieldTooLargeError or NulCharacterError."""
    name, value = field
    check_name(name, limits)
    if "\0" in value:
        raise NulCharacterError("A field's value contains a NUL character.")
    if len(value.encode()) > limits.value_bytes:
        raise FieldTooLargeError(f"A field's value may have at most {limits.value_bytes} bytes.")
    if len(fields) >= limits.fields:
        raise TooManyFieldsError(f"The form may have at most {limits.fields} fields.")
    fields.append(field)


def check_name(name: str, limits: FormLimits) -> None:
    if "\0" in name:
        raise NulCharacterError("A name contains a NUL character.")
    if len(name.encode()) > limits.name_bytes:
        raise FieldTooLargeError(f"A name may have at most {limits.name_bytes} bytes.")
