"""Passwords: hashed with Argon2id, checked beside the event loop, two at a time at most."""

import asyncio
import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from energy_platform.errors import UsageError

SHORTEST: Final = 12
_LONGEST: Final = 1024
_AT_ONCE: Final = 2
"""Each check takes 64 MiB of memory and some 50 ms of a core."""

_hasher: Final = PasswordHasher()


def hashed(password: str) -> str:
    """Return the hash of a new password.

    Raises:
        UsageError: It is too short, or too long.
    """
    if not SHORTEST <= len(password) <= _LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {_LONGEST} characters")
    return _hasher.hash(password)


class PasswordCheck:
    """Checks passwords; a user who isn't there takes as long as one who is."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Return whether a password is the one that was hashed."""
        async with self._turn:
            fits = await asyncio.to_thread(_fits, password[:_LONGEST], password_hash or _nobodys())
        return fits and password_hash is not None


def _fits(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Return the hash of a password that nobody knows."""
    return _hasher.hash(secrets.token_urlsafe())
