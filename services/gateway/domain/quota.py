"""How many publications accounts may still have: a unit is taken for each when it is asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence

from contracts.ids import TenantId
from services.gateway.domain.account import AccountId, shown_id
from services.gateway.domain.error import AccountNotLinkedError, QuotaExceededError


class Quotas:
    """Of linked accounts, each with its tenant: the units that they have left (None: any number)."""

    def __init__(self, left: Mapping[tuple[TenantId, AccountId], int | None]) -> None:
        self._left = left
        self.taken: Counter[AccountId] = Counter()

    def take(self, tenant_id: TenantId, account_ids: Sequence[AccountId]) -> None:
        """One unit of each, or none at all.

        Raises AccountNotLinkedError for accounts that are not the tenant's, and QuotaExceededError.
        """
        if unknown := [shown_id(id_) for id_ in account_ids if (tenant_id, id_) not in self._left]:
            raise AccountNotLinkedError(unknown)
        if used_up := [shown_id(id_) for id_ in account_ids if not self._has_left(tenant_id, id_)]:
            raise QuotaExceededError(used_up)
        self.taken.update(account_ids)

    def _has_left(self, tenant_id: TenantId, account_id: AccountId) -> bool:
        units = self._left[tenant_id, account_id]
        return units is None or units > self.taken[account_id]
