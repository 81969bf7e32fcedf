"""Who may do what. A role includes everything that the roles below it may do."""

from enum import IntEnum, StrEnum

from services.gateway.domain.error import InsufficientRoleError


class Role(IntEnum):
    VIEWER = 0
    RENDER = 1
    EDITOR = 2
    MANAGER = 3
    ADMIN = 4


class Permission(IntEnum):
    """The least role that an action needs."""

    READ = Role.VIEWER
    UPLOAD = Role.RENDER
    MODIFY = Role.EDITOR
    """Move and delete."""
    MANAGE = Role.MANAGER
    """Webhook endpoints."""
    ADMINISTER = Role.ADMIN
    """Link accounts and make API keys."""


class Scope(StrEnum):
    """What a bearer token was given out for: whoever holds it may do that alone, whatever the role."""

    UPLOAD = "upload"
    """Bring files in."""
    DASHBOARD = "dashboard"
    """Everything that the role allows."""


def require(role: Role, permission: Permission) -> None:
    """Raises InsufficientRoleError."""
    if role < permission:
        raise InsufficientRoleError
