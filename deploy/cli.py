"""`python -m deploy.cli`: what an operator does to an installation with servers of its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import aiohttp
import typer
from pydantic import SecretStr

from deploy.postgres.prepare import SERVICES, prepare_all
from deploy.rabbitmq.deployed import documents, topology
from libs.messaging.amqp.dead_letter import RabbitMqDeadLetters
from libs.messaging.amqp.declare import declare
from libs.messaging.dead_letter import DeadLetters
from libs.messaging.local_dead_letter import LocalDeadLetters
from libs.object_store.port import StoreUnavailableError
from libs.observability.logging import configure_logging
from libs.outbox.resend import resend_all
from libs.outbox.unit_of_work import Outbox, UnitOfWork
from libs.postgres.database import Database
from libs.runtime.process import WRONG_SETTINGS, give_up, read_settings, s3_store
from libs.runtime.secret import SecretBox, new_key
from libs.runtime.settings import ServiceSettings
from libs.runtime.wakeup import Wakeups
from services.gateway.auth import key_hash, new_api_key, new_private_token
from services.gateway.bootstrap import create_tenant
from services.gateway.store import PrivateTokenStore, TenantStore
from services.gateway.store.tenant import Tenant

T = TypeVar("T")

OPERATOR = "operator"
"""The name of a key that was given none."""

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
topology_commands = typer.Typer(help="Exchanges, queues and policies.", no_args_is_help=True)
dead_letter_commands = typer.Typer(help="Messages that a service could not handle.", no_args_is_help=True)
tenant_commands = typer.Typer(help="Tenants and their keys.", no_args_is_help=True)
key_commands = typer.Typer(help="API keys of a tenant; several may have the same name.", no_args_is_help=True)
token_commands = typer.Typer(help="Private tokens of a tenant, for the MediaLab API.", no_args_is_help=True)
app.add_typer(topology_commands, name="topology")
app.add_typer(dead_letter_commands, name="dead-letters")
app.add_typer(tenant_commands, name="tenant")
tenant_commands.add_typer(key_commands, name="key")
tenant_commands.add_typer(token_commands, name="private-token")


class Settings(ServiceSettings):
    bus_management_url: SecretStr | None = None
    """RabbitMQ's management plugin (`http://user:password@host:15672`); with it the topology is imported with its policies."""
    s3_events_arn: str | None = None
    """The store's name of the target of its notifications, e.g. `arn:rustfs:sqs:us-east-1:primary:webhook`."""


class Role(StrEnum):
    VIEWER = "viewer"
    RENDER = "render"
    EDITOR = "editor"
    MANAGER = "manager"
    ADMIN = "admin"


TenantName = Annotated[str, typer.Argument(metavar="TENANT", help="Its id, org or client id.")]
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]


@app.command()
def prepare() -> None:
    """Everything that has to be there before services start: `migrate`, `topology apply`, and the store's notifications."""
    migrate()
    apply()
    if (settings := _settings()).s3_events_arn:
        asyncio.run(_announce(settings, settings.s3_events_arn))


@app.command()
def migrate() -> None:
    """Create the services' roles and schemas and apply their migrations."""
    settings = _settings()
    for service in SERVICES:
        _dsn_of(settings, service)
    asyncio.run(prepare_all(settings))
    typer.echo(f"database ready for {', '.join(SERVICES)}")


@app.command("secret-key")
def secret_key() -> None:
    """Print a new value for LONGSHORE_SECRET_KEY."""
    typer.echo(new_key())


@topology_commands.command("apply")
def apply() -> None:
    """Make what is missing on the broker; nothing is ever deleted."""
    settings = _settings("bus_url")
    if settings.bus_management_url is not None:
        asyncio.run(_import_definitions(_text(settings.bus_management_url)))
    else:
        asyncio.run(declare(_text(settings.bus_url), topology()))
    typer.echo(f"broker ready with {len(topology().queues)} queues")


@topology_commands.command("export")
def export() -> None:
    """Write the definition files in deploy/rabbitmq again."""
    for path, text in documents().items():
        path.write_text(text)
        typer.echo(path)


@dead_letter_commands.command("list")
def list_dead_letters(service: Service, limit: int = 100) -> None:
    """The oldest dead letters of a service, one per line."""
    for letter in asyncio.run(_dead_letters(service, lambda letters: letters.list(limit))):
        typer.echo(f"{letter.message_id}  {letter.event_type}  after {letter.attempts} attempts  {letter.reason}")


@dead_letter_commands.command("show")
def show_dead_letter(service: Service, message_id: str) -> None:
    """One dead letter with its body."""
    letter = asyncio.run(_dead_letters(service, lambda letters: letters.show(message_id)))
    if letter is None:
        give_up(f"{service} has no dead letter {message_id}")
    typer.echo(f"{letter.event_type}, {letter.attempts} attempts, died {letter.died_at or 'at an unknown time'}")
    typer.echo(letter.reason)
    typer.echo(letter.body)


@dead_letter_commands.command("replay")
def replay_dead_letters(
    service: Service, message_id: Annotated[str | None, typer.Argument(help="Default: all.")] = None
) -> None:
    """Hand dead letters back to the service as first attempts under the same ids."""
    count = asyncio.run(_dead_letters(service, lambda letters: letters.replay(message_id)))
    typer.echo(f"{count} replayed")


@tenant_commands.command("create")
def create(name: str, role: Role = Role.ADMIN) -> None:
    """A new tenant with one API key; what is printed is shown this once."""
    typer.echo(json.dumps(asyncio.run(_create_tenant(_settings("secret_key"), name, role)), indent=2))


@tenant_commands.command("list")
def list_tenants() -> None:
    """Every tenant with its valid keys, oldest first."""
    for tenant in asyncio.run(_in_gateway(lambda work: TenantStore(work.connection).all())):
        blocked = "  storage blocked" if tenant.storage_blocked_at else ""
        keys = ", ".join(tenant.keys) or "no keys"
        typer.echo(f"{tenant.id}  {tenant.org}  {tenant.client_id}  {tenant.name}  [{keys}]{blocked}")


@tenant_commands.command("block")
def block(tenant: TenantName) -> None:
    """Refuse its uploads; what it has stays readable."""  # J-20
    asyncio.run(_with_tenant(tenant, lambda store, found: store.block_storage(found.id)))


@tenant_commands.command("unblock")
def unblock(tenant: TenantName) -> None:
    """Take its uploads again."""
    asyncio.run(_with_tenant(tenant, lambda store, found: store.unblock_storage(found.id)))


@key_commands.command("add")
def add_key(tenant: TenantName, role: Role = Role.ADMIN, name: str = OPERATOR) -> None:
    """Print a new key; it is shown this once."""
    api_key = new_api_key()
    asyncio.run(_with_tenant(tenant, lambda store, found: store.insert_key(key_hash(api_key), found.id, role, name)))
    typer.echo(api_key)


@key_commands.command("revoke")
def revoke_keys(tenant: TenantName, name: str) -> None:
    """Every key of this name, within LONGSHORE_GATEWAY_KEY_CACHE_SECONDS."""
    count = asyncio.run(_with_tenant(tenant, lambda store, found: store.revoke_keys(found.id, name)))
    if not count:
        give_up(f"the tenant has no valid key named {name}")
    typer.echo(f"{count} revoked")


@token_commands.command("add")
def add_token(tenant: TenantName, role: Role = Role.ADMIN, name: str = OPERATOR) -> None:
    """Print a new private token; it is shown this once."""
    token = new_private_token()
    asyncio.run(_with_tokens(tenant, lambda store, found: store.insert(key_hash(token), found.id, role, name)))
    typer.echo(token)


@token_commands.command("revoke")
def revoke_tokens(tenant: TenantName, name: str) -> None:
    """Every private token of this name, within LONGSHORE_GATEWAY_KEY_CACHE_SECONDS."""
    count = asyncio.run(_with_tokens(tenant, lambda store, found: store.revoke(found.id, name)))
    if not count:
        give_up(f"the tenant has no valid private token named {name}")
    typer.echo(f"{count} revoked")


async def _create_tenant(settings: Settings, name: str, role: Role) -> dict[str, str]:
    box, api_key = SecretBox(_text(settings.secret_key)), new_api_key()

    async def make(work: UnitOfWork) -> Tenant:
        tenant = await create_tenant(work, box, name)
        await TenantStore(work.connection).insert_key(key_hash(api_key), tenant.id, role, OPERATOR)
        return tenant

    tenant = await _in_gateway(make)
    return {
        "tenant_id": str(tenant.id),
        "client_id": tenant.client_id,
        "org": tenant.org,
        "api_key": api_key,
        "webhook_secret": box.open(tenant.webhook_secret_sealed),
    }


async def _with_tenant(name: str, do: Callable[[TenantStore, Tenant], Awaitable[T]]) -> T:
    async def find_and_do(work: UnitOfWork) -> T:
        return await do(TenantStore(work.connection), await _named(work, name))

    return await _in_gateway(find_and_do)


async def _with_tokens(name: str, do: Callable[[PrivateTokenStore, Tenant], Awaitable[T]]) -> T:
    async def find_and_do(work: UnitOfWork) -> T:
        return await do(PrivateTokenStore(work.connection), await _named(work, name))

    return await _in_gateway(find_and_do)


async def _named(work: UnitOfWork, name: str) -> Tenant:
    if (found := await TenantStore(work.connection).named(name)) is None:
        give_up(f"there is no tenant {name}")
    return found


async def _in_gateway(do: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """In one transaction of the gateway."""
    database = Database(_dsn_of(_settings(), "gateway"), "gateway", max_connections=2)
    await database.open()
    try:
        async with Outbox(database, Wakeups()).unit_of_work() as work:
            return await do(work)
    finally:
        await database.close()


async def _announce(settings: Settings, arn: str) -> None:
    """Notifications are hints, so a store that sends none is no reason to stop a deployment."""
    store = s3_store(settings)
    try:
        await store.announce("staging/", arn)
        typer.echo(f"the store notifies {arn}")
    except StoreUnavailableError as error:
        typer.echo(f"the store takes no rule for notifications ({error}); the reconciler finds uploads all the same", err=True)
    finally:
        await store.close()


@app.command("resend")
def resend() -> None:
    """Publish again what was sent in the last hour, after a queue was purged or the broker's disk was set back.

    A broker that lost all of its data is noticed without this.
    """
    asyncio.run(_resend())
    typer.echo("every service publishes again what it has sent in the last hour; consumers ignore what they know")


async def _resend() -> None:
    for service in SERVICES:
        database = Database(_dsn_of(_settings(), service), service, max_connections=1)
        await database.open()
        try:
            await resend_all(Outbox(database, Wakeups()))
        finally:
            await database.close()


async def _import_definitions(management_url: str) -> None:
    definitions = next(text for path, text in documents().items() if path.name == "definitions-4.json")
    async with (
        aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as http,
        http.post(f"{management_url.rstrip('/')}/api/definitions", data=definitions) as response,
    ):
        if response.status >= 300:
            give_up(f"the broker refused the definitions ({response.status}): {(await response.text())[:300]}")


async def _dead_letters(service: str, ask: Callable[[DeadLetters], Awaitable[T]]) -> T:
    """With a broker they are there, without one in the service's own schema."""
    if service not in SERVICES:
        give_up(f"there is no service {service}; they are {', '.join(SERVICES)}")
    settings = _settings()
    if settings.bus_url is not None:
        return await ask(RabbitMqDeadLetters(_text(settings.bus_url), service))
    database = Database(_dsn_of(_settings(), service), service, max_connections=2)
    await database.open()
    try:
        return await ask(LocalDeadLetters(database))
    finally:
        await database.close()


def _settings(*required: str) -> Settings:
    settings = read_settings(Settings, required)
    configure_logging("warning", "console")
    return settings


def _dsn_of(settings: Settings, service: str) -> str:
    dsn = settings.dsn_of(service)
    if dsn is None:
        give_up("LONGSHORE_POSTGRES_DSN must be set", WRONG_SETTINGS)
    return dsn


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


if __name__ == "__main__":
    app()
