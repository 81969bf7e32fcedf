"""Delivery's composition root."""

from dataclasses import replace
from datetime import timedelta

from libs.egress.client import GuardedClient
from libs.egress.keep_alive import KeepAlive
from libs.egress.policy import Policy, parse_networks
from libs.egress.upload import UploadLimits
from libs.jobs.timer import repeated
from libs.jobs.worker import Worker
from libs.object_store.port import ObjectStore
from libs.outbox.unit_of_work import Outbox
from libs.runtime.database import service_database
from libs.runtime.secret import SecretBox
from libs.runtime.service import Service
from libs.runtime.wakeup import Wakeups
from libs.web.signed_link import PURPOSE, LinkSigner
from services.delivery.adapters.receiver import Receivers
from services.delivery.domain.schedule import Schedule
from services.delivery.endpoints.jobs import Replays
from services.delivery.handlers import HANDLERS
from services.delivery.jobs import Maintenance, Sender
from services.delivery.publishing import jobs as publishing
from services.delivery.publishing.connectors.directory import Directories
from services.delivery.publishing.connectors.http import HttpConnector
from services.delivery.publishing.connectors.registry import Maker, Registry
from services.delivery.publishing.connectors.s3 import S3Connector
from services.delivery.publishing.connectors.webhook import WebhookConnector
from services.delivery.publishing.connectors.youtube.api import YouTubeApi
from services.delivery.publishing.connectors.youtube.connector import YouTubeConnector
from services.delivery.publishing.connectors.youtube.processing import Patience
from services.delivery.publishing.connectors.youtube.token import AccessTokens
from services.delivery.publishing.domain.publication import PUBLICATIONS
from services.delivery.publishing.usecases.attempting import Attempting
from services.delivery.publishing.usecases.cleaner import Cleaner
from services.delivery.publishing.usecases.publication_handler import PublicationHandler
from services.delivery.publishing.usecases.repository import PublicationRepository
from services.delivery.settings import Settings

LEASE_MARGIN_SECONDS = 15
"""For the body of the answer and the recording."""


def build(settings: Settings, store: ObjectStore) -> Service:
    """Raises ValueError when a setting without a default is missing."""
    if settings.secret_key is None:
        raise ValueError("LONGSHORE_SECRET_KEY is required")
    database = service_database(settings, "delivery")
    outbox = Outbox(database, Wakeups())
    client = GuardedClient(
        Policy(parse_networks(settings.egress_allow)),
        timeout_seconds=settings.delivery_timeout_seconds,
        keep_alive=KeepAlive(
            idle_seconds=settings.delivery_keep_alive_seconds,
            per_origin=settings.delivery_receiver_concurrency,
            total=max(1, settings.delivery_concurrency // 2),
        ),
    )
    secrets = SecretBox(settings.secret_key.get_secret_value())
    links = LinkSigner(settings.public_base_url, secrets.derived(PURPOSE))
    root = settings.delivery_directory_root or settings.data_dir / "published"
    directories = Directories(root, seconds=settings.delivery_idle_seconds)
    sender = Sender(
        outbox,
        Receivers(client, secrets),
        Schedule(settings.delivery_schedule_seconds),
        concurrency=settings.delivery_concurrency,
        receiver_concurrency=settings.delivery_receiver_concurrency,
        lease_seconds=settings.delivery_timeout_seconds + LEASE_MARGIN_SECONDS,
        poll_seconds=settings.delivery_poll_seconds,
        failure_window=timedelta(days=settings.delivery_disable_days),
    )
    retention = timedelta(days=settings.delivery_retention_days)
    dispatch = _dispatch(settings, outbox, store, secrets, _registry(settings, client, directories, links))
    return Service(
        name="delivery",
        outbox=outbox,
        handlers=HANDLERS,
        loops={
            "webhooks": sender.run,
            "webhook-replays": Replays(outbox).run,
            "upkeep": Maintenance(outbox, retention=retention).run,
            "publications": dispatch.run,
            "publications-upkeep": repeated(
                publishing.Upkeep(outbox, retention=retention).once,
                outbox.wakeups,
                "publications-upkeep",
                publishing.UPKEEP_SECONDS,
            ),
        },
        resources=(store, client),
    )


def _registry(settings: Settings, client: GuardedClient, directories: Directories, links: LinkSigner) -> Registry:
    limits = UploadLimits(settings.delivery_upload_seconds, settings.delivery_idle_seconds)
    return Registry({
        "directory": directories.connector,
        "http": lambda account: HttpConnector(account, client, limits),
        "s3": lambda account: S3Connector(account, client, limits),
        "webhook": lambda account: WebhookConnector(account, client, links),
        "youtube": _youtube(settings, client, limits),
    })  # fmt: skip


def _youtube(settings: Settings, client: GuardedClient, limits: UploadLimits) -> Maker:
    tokens = AccessTokens(client, settings.delivery_youtube_token_url)
    patience = Patience(settings.delivery_youtube_processing_seconds)
    # The answer to the last byte holds the video's id: worth waiting for.
    patient = replace(limits, body_seconds=limits.idle_seconds)
    return lambda account: YouTubeConnector(
        YouTubeApi(account, tokens, client, patient, settings.delivery_youtube_api_url), patience
    )


def _dispatch(
    settings: Settings, outbox: Outbox, store: ObjectStore, secrets: SecretBox, registry: Registry
) -> publishing.Dispatcher:
    lease_seconds = settings.delivery_publication_lease_seconds
    attempting = Attempting(store, secrets, registry, outbox, lease_seconds)
    cleaner = Cleaner(attempting)
    publications = PublicationRepository(outbox, lease_seconds, settings.delivery_account_concurrency, cleaner.start)
    worker = Worker(
        PUBLICATIONS,
        publications,
        PublicationHandler(attempting, Schedule(settings.delivery_publication_schedule_seconds)).handle,
        outbox.wakeups,
        slots=settings.delivery_publication_concurrency,
        per_tenant=settings.delivery_tenant_concurrency,
        lease_seconds=lease_seconds,
        poll_seconds=settings.delivery_poll_seconds,
        seconds_until_due=publications.seconds_until_due,
    )
    return publishing.Dispatcher(worker, cleaner)
