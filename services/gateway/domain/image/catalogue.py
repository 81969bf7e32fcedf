"""All image operations by their names; several of one name are its forms."""

from collections.abc import Mapping
from itertools import groupby
from typing import Final

from services.gateway.domain.image.colour import COLOURS
from services.gateway.domain.image.content import CONTENT
from services.gateway.domain.image.definition import DEFINITION
from services.gateway.domain.image.encoding import ENCODING
from services.gateway.domain.image.geometry import GEOMETRY
from services.gateway.domain.image.operation import Operation
from services.gateway.domain.image.photo_filter import FILTERS
from services.gateway.domain.image.report import REPORTS

_ALL: Final = (*GEOMETRY, *CONTENT, *COLOURS, *FILTERS, *DEFINITION, *ENCODING, *REPORTS)

OPERATIONS: Final[Mapping[str, tuple[Operation, ...]]] = {
    name: tuple(forms) for name, forms in groupby(_ALL, key=lambda operation: operation.name)
}
