"""`python -m tests.contract.dialects.standalone_gateway`: a standalone of which only the gateway lives.

It is the composition, bus, store and server of `deploy.standalone`; tests say what the other services would, and nothing goes
out from here.
"""

import runpy
from dataclasses import replace

from deploy.standalone import app
from deploy.standalone.app import Installation
from deploy.standalone.notices import Notices, Receive
from deploy.standalone.settings import StandaloneSecrets, StandaloneSettings

compose_all = app.compose


def compose_gateway(settings: StandaloneSettings, secrets: StandaloneSecrets) -> Installation:
    installation = compose_all(settings, secrets)
    return replace(installation, services=[service for service in installation.services if service.name == "gateway"])


def lead_nowhere(_self: Notices, _receive: Receive) -> None:
    """Nobody is there who could be told of an object."""


if __name__ == "__main__":
    app.compose = compose_gateway
    Notices.lead_to = lead_nowhere  # type: ignore[method-assign, assignment]
    runpy.run_module("deploy.standalone", run_name="__main__")
