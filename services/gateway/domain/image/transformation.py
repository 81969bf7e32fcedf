"""What is to be made of an image: steps in their order, then how the result is encoded or what is told of it."""

from dataclasses import dataclass, field

from services.gateway.domain.image.encoding import FORMAT, OF_THE_RESULT, SETFILL, STRETCH
from services.gateway.domain.image.operation import Settings, Step

_DEFAULTS = Settings()


@dataclass(frozen=True)
class Transformation:
    """Equal transformations make equal results, however they were written: `canonical` is the same for them."""

    steps: tuple[Step, ...] = ()
    settings: Settings = field(default_factory=Settings)
    report: Step | None = None

    @property
    def negotiates(self) -> bool:
        """The result depends on what the client says it understands."""
        return self.settings.format == "auto"

    @property
    def canonical(self) -> str:
        """One text for all equal transformations, itself a chain that reads as this one."""
        operations: list[str] = []
        stretch, fill = _DEFAULTS.stretch, _DEFAULTS.setfill
        for step in self.steps:
            if step.stretch not in (None, stretch):
                stretch = step.stretch
                operations.append(STRETCH.to_text(stretch))
            if step.setfill not in (None, fill):
                fill = step.setfill
                operations.append(SETFILL.to_text(fill))
            operations.append(str(step))
        if self.settings.setfill != fill:
            operations.append(SETFILL.to_text(self.settings.setfill))
        operations.append(FORMAT.to_text(self.settings.format))  # always, so that no text is empty
        for setting in OF_THE_RESULT:
            value = getattr(self.settings, setting.name)
            if value != getattr(_DEFAULTS, setting.name):
                operations.append(setting.to_text(value))
        if self.report is not None:
            operations.append(str(self.report))
        return "/-/".join(operations)
