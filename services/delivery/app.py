"""Delivery's composition root."""

from datetime import timedelta

from libs.egress.client import GuardedClient
from libs.egress.policy import Policy, parse_networks
from libs.outbox.unit_of_work import Outbox
from libs.postgres.database import Database
from libs.runtime.secret import SecretBox
from libs.runtime.service import Service
from libs.runtime.wakeup import Wakeups
from services.delivery.adapters.receiver import Receivers
from services.delivery.domain.schedule import Schedule
from services.delivery.handlers import HANDLERS
from services.delivery.jobs import Sender, Upkeep
from services.delivery.settings import Settings

LEASE_MARGIN_SECONDS = 15
"""For the body of the answer and the recording."""


def build(settings: Settings) -> Service:
    """Raises ValueError when a setting without a default is missing."""
    if settings.postgres_dsn is None or settings.secret_key is None:
        raise ValueError("LONGSHORE_POSTGRES_DSN and LONGSHORE_SECRET_KEY are required")
    database = Database(settings.postgres_dsn.get_secret_value(), "delivery", max_connections=settings.postgres_pool)
    outbox = Outbox(database, Wakeups())
    client = GuardedClient(Policy(parse_networks(settings.egress_allow)), timeout_seconds=settings.delivery_timeout_seconds)
    sender = Sender(
        outbox,
        Receivers(client, SecretBox(settings.secret_key.get_secret_value())),
        Schedule(settings.delivery_schedule_seconds),
        concurrency=settings.delivery_concurrency,
        receiver_concurrency=settings.delivery_receiver_concurrency,
        lease_seconds=settings.delivery_timeout_seconds + LEASE_MARGIN_SECONDS,
        poll_seconds=settings.delivery_poll_seconds,
    )
    upkeep = Upkeep(outbox, retention=timedelta(days=settings.delivery_retention_days))
    return Service(
        name="delivery",
        outbox=outbox,
        handlers=HANDLERS,
        loops={"webhooks": sender.run, "upkeep": upkeep.run},
        resources=(client,),
    )
