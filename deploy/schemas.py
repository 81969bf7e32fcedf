"""`make schemas`: writes what others read instead of the code: a JSON Schema per event, and the AsyncAPI document.

`schema_files` is also what the test compares with the committed files, so that neither can go stale.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from contracts.envelope import Envelope
from contracts.events import EVENTS, Event
from deploy.postgres.prepare import SERVICES
from libs.messaging.handler import event_types

ROOT = Path(__file__).parent.parent / "contracts"


def schema_files() -> dict[Path, str]:
    """Path → content of every generated file."""
    files = {ROOT / "schemas" / f"{event.type}.json": _json(_schema(event)) for event in EVENTS}
    files[ROOT / "schemas" / "envelope.json"] = _json(Envelope.model_json_schema() | {"$schema": DRAFT})
    files[ROOT / "asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=120, allow_unicode=True)
    return files


DRAFT = "https://json-schema.org/draft/2020-12/schema"


def consumers() -> dict[str, list[str]]:
    """Event type → the services that subscribe to it, read from their HANDLERS."""
    found: dict[str, list[str]] = {event.type: [] for event in EVENTS}
    for service in SERVICES:
        for event in event_types(import_module(f"services.{service}.handlers").HANDLERS):
            found[event.type].append(service)
    return found


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: a channel per event, who sends it and who receives it."""
    by_type = consumers()
    operations: dict[str, Any] = {}
    for event in EVENTS:
        channel = {"$ref": f"#/channels/{event.__name__}"}
        operations[f"{event.publisher}.send.{event.__name__}"] = {"action": "send", "channel": channel}
        for service in by_type[event.type]:
            operations[f"{service}.receive.{event.__name__}"] = {"action": "receive", "channel": channel}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Longshore events",
            "version": "1.0.0",
            "description": "CloudEvents attribute names; exchange `uploads.events`; the routing key is the event type.",
        },
        "defaultContentType": "application/json",
        "channels": {
            event.__name__: {
                "address": event.type,
                "description": (event.__doc__ or "").strip(),
                "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
            }
            for event in EVENTS
        },
        "operations": operations,
        "components": {"messages": {event.__name__: _message(event) for event in EVENTS}},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.type,
        "contentType": "application/json",
        "payload": {
            "allOf": [
                {"$ref": "./schemas/envelope.json"},
                {"properties": {"data": {"$ref": f"./schemas/{event.type}.json"}}},
            ]
        },
    }


def _schema(event: type[Event]) -> dict[str, Any]:
    return {"$schema": DRAFT, "$id": f"longshore:{event.type}"} | event.model_json_schema()


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, content in schema_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
