"""Which kinds of account can be published to. A further kind is one module, its settings in `contracts.account`, one line in
`services.delivery.app`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.account import ACCOUNT_SETTINGS
from services.delivery.publishing.connectors.port import Connector
from services.delivery.publishing.domain.error import PublishError

Maker = Callable[[Any], Connector]
"""Takes the settings of its kind, an instance of the class that `ACCOUNT_SETTINGS` names."""


@dataclass(frozen=True)
class Registry:
    makers: Mapping[str, Maker]

    def connector(self, kind: str, settings: object) -> Connector:
        """Raises PublishError for a kind that nobody can publish to, and for settings that are not of their kind."""
        maker, model = self.makers.get(kind), ACCOUNT_SETTINGS.get(kind)
        if maker is None or model is None:
            raise PublishError("unsupported_account_kind")
        try:
            return maker(model.model_validate(settings))
        except ValidationError as error:
            fields = ", ".join(sorted({str(found["loc"][0]) for found in error.errors() if found["loc"]}))
            raise PublishError("account_settings_invalid", f"The account's settings cannot be used: {fields}.") from None
