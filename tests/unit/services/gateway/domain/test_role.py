"""Who may do what (J-04, J-21)."""

import pytest

from services.gateway.domain.error import InsufficientRoleError
from services.gateway.domain.role import Permission, Role, require

ALLOWED = {
    Permission.READ: {Role.VIEWER, Role.RENDER, Role.EDITOR, Role.MANAGER, Role.ADMIN},
    Permission.UPLOAD: {Role.RENDER, Role.EDITOR, Role.MANAGER, Role.ADMIN},
    Permission.MODIFY: {Role.EDITOR, Role.MANAGER, Role.ADMIN},
    Permission.ADMINISTER: {Role.ADMIN},
    Permission.MANAGE: {Role.MANAGER, Role.ADMIN},
}


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says(role: Role, permission: Permission) -> None:
    if role in ALLOWED[permission]:
        require(role, permission)
        return
    with pytest.raises(InsufficientRoleError):
        require(role, permission)
