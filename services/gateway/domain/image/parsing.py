"""Reads a chain of operations: `resize/300x/-/format/webp`, what follows `/{uuid}/-/` in an address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.gateway.domain.image.argument import MAX_EDGE, OperationError, count_recognised, read_arguments
from services.gateway.domain.image.catalogue import OPERATIONS
from services.gateway.domain.image.operation import Geometry, Operation, Step, TransformationBuilder
from services.gateway.domain.image.transformation import Transformation
from services.gateway.domain.image.value import Edges, Lengths

MAX_OPERATIONS: Final = 50
MAX_EDGE_UNLESS_JPEG: Final = 3000
"""Pixels of the longest edge that may be asked for where the result is not asked for as JPEG."""


@dataclass(frozen=True)
class ParsedTransformation:
    transformation: Transformation
    needs_image: bool
    """False: nothing asks for anything but the file as it is."""
    inline: bool | None
    """Whether the answer is to be shown or saved; None: as its type suggests. The result itself does not depend on it."""
    file_name: str | None
    """What the address calls the result; nothing depends on it."""
    path_before_report: str
    """The operations that the facts of a report are about, as they were written."""


def parse_operations(path: str) -> ParsedTransformation:
    """`path`: operations divided by `/-/`, then optionally a file name. Raises OperationError.

    With a slash at its end all of it is operations. Without one, its last word is a file name unless it makes sense as an
    argument.
    """
    words = [word for word in path.split("/") if word]
    if path.endswith("/"):
        return _parsed(words, None)
    try:
        return _parsed(words, None)
    except OperationError as error:
        if len(words) < 2 or words[-2] == "-":
            raise
        try:
            return _parsed(words[:-1], words[-1])
        except OperationError as without_name:
            raise (without_name if "." in words[-1] else error) from None


def _parsed(words: Sequence[str], file_name: str | None) -> ParsedTransformation:
    chain = _split(words)
    if len(chain) > MAX_OPERATIONS:
        raise OperationError(f"At most {MAX_OPERATIONS} operations can be applied at once.")
    builder = TransformationBuilder()
    before_report = []
    for name, arguments in chain:
        operation = _operation(name, arguments)
        values = read_arguments(name, operation.arguments, arguments)
        if builder.report is None:
            operation.add_to(builder, values)
        else:  # it has to be right, and changes nothing any more
            operation.add_to(TransformationBuilder(), values)
        if builder.report is None:
            before_report.append("/".join([name, *arguments]))
    transformation = Transformation(tuple(builder.steps), builder.settings, builder.report)
    _check_edges(transformation)
    path = "/-/".join(before_report)
    return ParsedTransformation(transformation, builder.needs_image, builder.inline, file_name, path)


def _split(words: Sequence[str]) -> Sequence[tuple[str, Sequence[str]]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word == "-":
            found.append([])
        else:
            found[-1].append(word)
    if not all(found):
        raise OperationError('There is no operation after "-/".')
    return [(operation[0], operation[1:]) for operation in found]


def _operation(name: str, words: Sequence[str]) -> Operation:
    """Of several forms the one that most of the words look like, else the last one."""
    forms = OPERATIONS.get(name)
    if forms is None:
        raise OperationError(f'Unknown operation "{name[:50]}".')
    return max(reversed(forms), key=lambda form: count_recognised(form.arguments, words))


def _check_edges(transformation: Transformation) -> None:
    """The last operation that names edges decides how large the result is."""
    if transformation.settings.format == "jpeg":
        return
    asked = next((edges for step in reversed(transformation.steps) if (edges := _edges(step))), [])
    if any(edge > MAX_EDGE_UNLESS_JPEG for edge in asked):
        raise OperationError(
            f"The result can have at most {MAX_EDGE_UNLESS_JPEG}x{MAX_EDGE_UNLESS_JPEG} pixels, "
            f"{MAX_EDGE}x{MAX_EDGE} with /format/jpeg/."
        )


def _edges(step: Step) -> list[float]:
    """The pixels that a step asks for; percentages ask for none."""
    found: list[float] = []
    for value in step.values:
        if isinstance(value, Edges):
            found += [value.width or 0, value.height or 0]
        elif isinstance(value, Lengths) and isinstance(step.operation, Geometry):
            found += [0 if length.percent else length.value for length in (value.width, value.height)]
    return found
