"""The bodies of callbacks, one module per API whose words they speak."""

from collections.abc import Callable, Mapping
from typing import Any

from services.delivery.domain.outcome import Upload
from services.delivery.formats import eachlabs

Format = Callable[[Upload], dict[str, Any]]
"""Takes an upload that `is_complete`."""

FORMATS: Mapping[str, Format] = {"eachlabs": eachlabs.body}
"""By `Callback.format`."""
