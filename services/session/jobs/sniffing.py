"""Looks at the first bytes of a staged object where its registration says which types of content are taken."""

from contracts.events import Constraints, StoredObject
from libs.media_type.content import SNIFF_BYTES, sniff
from libs.media_type.policy import TypePolicy
from libs.object_store.port import ObjectStore
from services.session.domain.verdict import ACCEPTED, Verdict


async def sniffed(store: ObjectStore, constraints: Constraints, staged: StoredObject) -> Verdict:
    """On exactly this version. Raises what `ObjectStore.read` does."""
    if not policy_of(constraints):
        return ACCEPTED
    chunks = store.read(staged.key, start=0, length=SNIFF_BYTES, match_etag=staged.etag)
    return judge(constraints, sniff(b"".join([chunk async for chunk in chunks])).mime_type)


def judge(constraints: Constraints, actual_type: str) -> Verdict:
    """Code: `type_forbidden`."""
    if policy_of(constraints).takes_actual(actual_type, constraints.content_type):
        return ACCEPTED
    return Verdict("type_forbidden", f"Files of type {actual_type} are not taken.")


def policy_of(constraints: Constraints) -> TypePolicy:
    return TypePolicy(constraints.allowed_types, constraints.forbidden_types)
