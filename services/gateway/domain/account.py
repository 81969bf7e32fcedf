"""Accounts that a tenant's uploads are published to."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NewType
from uuid import UUID

from contracts.events import AccountKind
from contracts.ids import TenantId

AccountId = NewType("AccountId", UUID)

_FORM: Final = re.compile(r"account_([0-9a-f]{32})")


def shown_id(account_id: UUID) -> str:
    """As clients know it: `account_` and 32 hexadecimal digits."""
    return f"account_{account_id.hex}"


def parse_id(text: str) -> AccountId | None:
    """None for what no account can be called."""
    match = _FORM.fullmatch(text)
    return AccountId(UUID(match[1])) if match else None


@dataclass(frozen=True)
class Account:
    id: AccountId
    tenant_id: TenantId
    kind: AccountKind
    name: str
    settings_sealed: str
    """Empty once it is unlinked."""
    settings_shown: dict[str, Any]
    """Without credentials."""
    quota_limit: int | None
    """How many publications it may have; None: any number."""
    quota_used: int
    """Publications that were confirmed."""
    quota_reserved: int
    """Publications that are under way."""
    revision: int
    created_at: datetime
    updated_at: datetime
    unlinked_at: datetime | None = None
