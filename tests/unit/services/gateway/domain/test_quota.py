"""Units of accounts' quotas are taken for all accounts of an upload or for none (T-19)."""

from collections import Counter
from uuid import uuid4

import pytest

from contracts.ids import TenantId
from services.gateway.domain.account import AccountId, shown_id
from services.gateway.domain.error import AccountNotLinkedError, QuotaExceededError
from services.gateway.domain.quota import Quotas

TENANT, OTHER = TenantId(uuid4()), TenantId(uuid4())
ONE, TWO, THREE = (AccountId(uuid4()) for _ in range(3))


def test_units_are_taken_until_there_are_none_left() -> None:
    quotas = Quotas({(TENANT, ONE): 2, (TENANT, TWO): None})
    quotas.take(TENANT, [ONE, TWO])
    quotas.take(TENANT, [ONE])

    with pytest.raises(QuotaExceededError) as refused:
        quotas.take(TENANT, [TWO, ONE])

    assert refused.value.accounts == (shown_id(ONE),)
    assert quotas.taken == Counter({ONE: 2, TWO: 1})


def test_units_already_overdrawn_are_none() -> None:
    with pytest.raises(QuotaExceededError):
        Quotas({(TENANT, ONE): -1}).take(TENANT, [ONE])


def test_accounts_of_another_tenant_are_not_linked_and_take_nothing() -> None:
    quotas = Quotas({(TENANT, ONE): 1, (OTHER, TWO): 1})

    with pytest.raises(AccountNotLinkedError) as refused:
        quotas.take(TENANT, [ONE, TWO, THREE])

    assert refused.value.accounts == (shown_id(TWO), shown_id(THREE))
    assert not quotas.taken
