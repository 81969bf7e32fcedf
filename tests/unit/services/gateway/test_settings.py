"""What the gateway makes of its settings."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr, ValidationError

from libs.runtime.secret import SecretBox
from services.gateway.app import token_rules
from services.gateway.settings import Settings

FIRST, SECOND = "1" * 32, "2" * 32


def secrets(keys: SecretBox, secret: str | None, jwks_url: str | None = None) -> list[str | bytes]:
    settings = Settings(gateway_jwt_secret=SecretStr(secret) if secret else None, gateway_jwks_url=jwks_url)
    return list(token_rules(settings, keys).secrets)


def test_secrets_of_bearer_tokens_rotate_and_so_do_those_made_of_the_installations_keys() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    rotating = SecretBox(f"{new},{old}")

    assert secrets(rotating, f"{FIRST}, {SECOND}") == [FIRST, SECOND]
    assert secrets(rotating, None) == [*secrets(SecretBox(new), None), *secrets(SecretBox(old), None)]
    assert secrets(rotating, None, "https://id.example.com/keys") == []


@pytest.mark.parametrize("secret", ["short", f"{FIRST},", f"{FIRST},short"])
def test_a_short_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError):
        Settings(gateway_jwt_secret=SecretStr(secret))
