"""Links, changes and unlinks accounts: the gateway keeps the registry, delivery hears of each change."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from pydantic import BaseModel, SecretStr

from contracts.account import ACCOUNT_SETTINGS, AccountSettings
from contracts.events import AccountConfigured, AccountKind
from contracts.ids import TenantId, new_id
from libs.outbox.unit_of_work import UnitOfWork
from libs.runtime.secret import SecretBox
from services.gateway.domain.account import Account, AccountId
from services.gateway.domain.error import InvalidFieldError
from services.gateway.store import AccountStore


async def link_account(
    work: UnitOfWork,
    secrets_box: SecretBox,
    tenant_id: TenantId,
    *,
    kind: AccountKind,
    name: str,
    settings: dict[str, Any],
    quota_limit: int | None,
    now: datetime,
) -> Account:
    """Raises InvalidFieldError or pydantic.ValidationError for settings that no connector of this kind takes."""
    judged = _judged(kind, settings)
    account = Account(
        id=AccountId(new_id()),
        tenant_id=tenant_id,
        kind=kind,
        name=name,
        settings_sealed=_sealed(judged, secrets_box),
        settings_shown=shown(judged),
        quota_limit=quota_limit,
        quota_used=0,
        quota_reserved=0,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    await AccountStore(work.connection).insert(account)
    _tell(work, account)
    return account


async def change_account(
    work: UnitOfWork, secrets_box: SecretBox, account: Account, changes: dict[str, Any], now: datetime
) -> Account:
    """`account` is locked; `changes`: `name`, `quota_limit` and `settings`, as far as they change. Raises as `link_account`."""
    values = dict(changes)
    if (settings := values.pop("settings", None)) is not None:
        judged = _judged(account.kind, settings)
        values |= {"settings_sealed": _sealed(judged, secrets_box), "settings_shown": shown(judged)}
    changed = replace(account, **values, revision=account.revision + 1, updated_at=now)
    await AccountStore(work.connection).update(changed)
    _tell(work, changed)
    return changed


async def unlink_account(work: UnitOfWork, account: Account, now: datetime) -> None:
    """`account` is locked. Its credentials are forgotten; what was published to it stays in the history."""
    unlinked = replace(account, settings_sealed="", revision=account.revision + 1, updated_at=now, unlinked_at=now)
    await AccountStore(work.connection).update(unlinked)
    _tell(work, unlinked)


def _tell(work: UnitOfWork, account: Account) -> None:
    work.emit(
        AccountConfigured(
            account_id=account.id,
            tenant_id=account.tenant_id,
            revision=account.revision,
            kind=account.kind,
            name=account.name,
            settings_encrypted=account.settings_sealed,
            removed=account.unlinked_at is not None,
        )
    )


def _judged(kind: AccountKind, settings: dict[str, Any]) -> AccountSettings:
    model = ACCOUNT_SETTINGS.get(kind)
    if model is None:
        raise InvalidFieldError("kind", "accounts of this kind cannot be published to yet")
    return model.model_validate(settings)


def _sealed(settings: AccountSettings, secrets_box: SecretBox) -> str:
    return secrets_box.seal(orjson.dumps(_values(settings, reveal=True)).decode())


def shown(settings: AccountSettings) -> dict[str, Any]:
    """Without credentials: secrets are left out, and so is what an address has beside scheme, host and path."""
    values: dict[str, Any] = _values(settings, reveal=False)
    return values


def _values(value: Any, *, reveal: bool) -> Any:
    match value:
        case BaseModel():
            return _values({name: getattr(value, name) for name in type(value).model_fields}, reveal=reveal)
        case dict():
            kept = {name: found for name, found in value.items() if reveal or not isinstance(found, SecretStr)}
            return {name: _values(found, reveal=reveal) for name, found in kept.items()}
        case SecretStr():
            return value.get_secret_value()
        case str() if not reveal and value.startswith(("http://", "https://")):
            return _without_credentials(value)
    return value


def _without_credentials(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
