"""The clock of this process turned, for all that our own code reads of it; the database's is not."""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any

import pytest

OURS = ("contracts", "libs", "services")


def turn_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    class IsDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Turned(datetime, metaclass=IsDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + seconds)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS and isinstance(module, ModuleType) and vars(module).get("datetime") is datetime:
            monkeypatch.setattr(module, "datetime", Turned)
