"""Encryption of secrets at rest, with one key for the whole installation."""

import hmac

from cryptography.fernet import Fernet, MultiFernet


class SecretBox:
    """Authenticated encryption (Fernet). Several comma-separated keys rotate: the first encrypts, all decrypt."""

    def __init__(self, keys: str) -> None:
        self._keys = [key.strip() for key in keys.split(",")]
        self._fernet = MultiFernet([Fernet(key) for key in self._keys])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises `cryptography.fernet.InvalidToken` for anything that was not sealed with one of the keys."""
        return self._fernet.decrypt(sealed.encode()).decode()

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """For another use than encryption: 32 bytes from each key, in their order."""
        return tuple(hmac.digest(key.encode(), purpose.encode(), "sha256") for key in self._keys)


def new_key() -> str:
    return Fernet.generate_key().decode()
