"""Who may do what. A role includes everything that the roles below it may do."""

from enum import IntEnum

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


def require(role: Role, permission: Permission) -> None:
    """Raises InsufficientRoleError."""
    if role < permission:
        raise InsufficientRoleError
