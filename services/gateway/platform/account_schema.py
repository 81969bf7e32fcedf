"""What `/platform/v1/accounts` takes and answers."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.events import AccountKind
from services.gateway.domain.account import Account, shown_id

MAX_QUOTA: Final = 2**31 - 1

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Quota = Annotated[int, Field(ge=0, le=MAX_QUOTA, strict=True)]


class AccountRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    kind: AccountKind
    name: Name
    settings: dict[str, Any]
    """What the connector of this kind needs, credentials included."""
    quota_limit: Quota | None = None
    """How many publications it may have; null: any number."""


class AccountChange(BaseModel):
    """What is not given stays as it is."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Name | None = None
    settings: dict[str, Any] | None = None
    """All of them anew: what is kept is not shown, so nothing of it can be sent back."""
    quota_limit: Quota | None = None
    """null: any number."""

    @model_validator(mode="after")
    def _no_nulls(self) -> "AccountChange":
        for name in self.model_fields_set - {"quota_limit"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class AccountView(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: Annotated[str, Field(examples=["account_6f1c1d0e5f0b5d7e9d4b1a5e7c1f0a11"])]
    """To be named as a target of uploads."""
    kind: AccountKind
    name: str
    settings: dict[str, Any]
    """Without credentials."""
    quota_limit: int | None
    quota_used: int
    """Publications that were confirmed."""
    quota_reserved: int
    """Publications that are under way."""
    created_at: datetime
    updated_at: datetime


class AccountPage(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    accounts: list[AccountView]
    """Newest first."""
    next_cursor: str | None
    """Ask again with `cursor` set to this for what is older; null: there is no more."""


class AccountListQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=120)] | None = None


def to_view(account: Account) -> AccountView:
    return AccountView(
        id=shown_id(account.id),
        kind=account.kind,
        name=account.name,
        settings=account.settings_shown,
        quota_limit=account.quota_limit,
        quota_used=account.quota_used,
        quota_reserved=account.quota_reserved,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )
