"""The composition root of composition roots: every service, one bus, one store, one public address."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from deploy.standalone.notices import Notices
from deploy.standalone.settings import StandaloneSecrets, StandaloneSettings
from libs.messaging.local import LocalBus
from libs.messaging.port import Bus
from libs.messaging.rabbitmq import RabbitMqBus
from libs.object_store.disk import DiskStore
from libs.object_store.disk_http import storage_routes
from libs.object_store.port import ObjectStore
from libs.runtime.process import s3_store
from libs.runtime.service import Service
from services.delivery import app as delivery
from services.delivery.settings import Settings as DeliverySettings
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.session import app as session
from services.session.settings import Settings as SessionSettings
from services.storage_notification import app as storage_notification
from services.storage_notification.settings import Settings as StorageNotificationSettings
from services.transcoder import app as transcoder
from services.transcoder.settings import Settings as TranscoderSettings


@dataclass(frozen=True)
class Installation:
    services: Sequence[Service]
    bus: Bus
    public: web.Application


def compose(settings: StandaloneSettings, secrets: StandaloneSecrets) -> Installation:
    """`settings` with everything decided: ports, `base_url`, `postgres_dsn`, `secret_key`."""
    notices = Notices()
    store: ObjectStore
    if settings.s3_url:
        store, routes = s3_store(settings), []
    else:
        signing_secret = secrets.storage_signing_secret.get_secret_value()
        store = DiskStore(settings.data_dir / "objects", settings.public_base_url, signing_secret, notices)
        routes = storage_routes(store)
    services = _services(dict(settings), store, notices)
    public = _web(services, "gateway")
    public.add_routes(routes)
    _take_over(public, _web(services, "storage_notification"), "/internal/")
    return Installation(services, _bus(settings, services), public)


def _services(shared: dict[str, Any], store: ObjectStore, notices: Notices) -> list[Service]:
    """Their own settings come from the environment, those that all have from here."""
    notification = storage_notification.build(StorageNotificationSettings(**shared), store)
    notices.lead_to(notification.receive)
    return [
        gateway.build(GatewaySettings(**shared), store),
        session.build(SessionSettings(**shared), store),
        notification,
        ingest.build(IngestSettings(**shared), store),
        transcoder.build(TranscoderSettings(**shared), store),
        delivery.build(DeliverySettings(**shared), store),
    ]


def _bus(settings: StandaloneSettings, services: Sequence[Service]) -> Bus:
    if settings.bus_url:
        return RabbitMqBus(settings.bus_url.get_secret_value(), "standalone")
    return LocalBus({service.name: service.outbox.database for service in services})


def _web(services: Sequence[Service], name: str) -> web.Application:
    application = next(service.web for service in services if service.name == name)
    assert application is not None, f"{name} has no HTTP face"
    return application


def _take_over(public: web.Application, other: web.Application, prefix: str) -> None:
    """Serves the routes below `prefix` of an application that has no port of its own here."""
    for route in other.router.routes():
        if route.resource is not None and route.resource.canonical.startswith(prefix):
            public.router.add_route(route.method, route.resource.canonical, route.handler)
