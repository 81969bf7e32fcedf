"""The topology of this version of Longshore."""

import json
from importlib import import_module
from pathlib import Path

from deploy.postgres.prepare import SERVICES
from libs.messaging.handler import Handlers, event_types
from libs.messaging.topology import Topology, definitions

FOLDER = Path(__file__).parent


def topology() -> Topology:
    """Who consumes what, from each service's `HANDLERS`."""
    return Topology({service: [event.type for event in event_types(_handlers(service))] for service in SERVICES})


def documents() -> dict[Path, str]:
    """The generated files and what has to be in them."""
    return {
        FOLDER / f"definitions-{version}.json": json.dumps(definitions(topology(), version), indent=2) + "\n"
        for version in ("3.10", "4")
    }


def _handlers(service: str) -> Handlers:
    handlers: Handlers = import_module(f"services.{service}.handlers").HANDLERS
    return handlers
