"""Session tokens: 256 random bits, shown once and stored hashed. They say which upload; who may use it says the API key."""

from secrets import token_urlsafe

from services.gateway.auth import Principal, key_hash
from services.gateway.deps import Deps
from services.gateway.dialects.upload24.errors import Upload24Error
from services.gateway.domain.submission import Submission
from services.gateway.store import SubmissionStore


def new_token() -> str:
    return f"u24_{token_urlsafe(32)}"


async def find_session(deps: Deps, principal: Principal, token: str) -> Submission:
    """Of the caller's tenant. Raises Upload24Error."""
    async with deps.database.connection() as connection:
        found = await SubmissionStore(connection).find_by_token(principal.tenant_id, key_hash(token))
    if found is None:
        raise Upload24Error("session_not_found", "There is no such upload session.")
    return found
