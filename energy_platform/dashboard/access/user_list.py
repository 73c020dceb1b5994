"""The user list: each user's role, portfolios and password hash, in one private JSON file.

A user who logs in elsewhere, with an OIDC provider or at a proxy, stands here too, without a
password: the list alone decides who may look and what each may do. Commands write it, the
dashboard reads it again whenever it has changed. Where instances come and go, the list is handed to
each as a file that nobody writes, `ENERGY_PLATFORM_USER_LIST`.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from filelock import FileLock

from energy_platform.dashboard.access.private_files import (
    access_folder,
    require_private,
    write_private,
)
from energy_platform.dashboard.access.visitor import Role
from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.settings import Settings

_LOCK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user.

    Attributes:
        name: How they log in; an e-mail address where an OIDC provider knows them by one.
        role: What they may do.
        portfolios: The portfolios that they may see; `*` stands for all.
        password_hash: The Argon2 hash of their password, if they have one here.
    """

    name: str
    role: Role
    portfolios: tuple[str, ...] = ()
    password_hash: str | None = None


class UserList:
    """The users of one home, or those of a list that was handed in.

    Args:
        path: The list.
        is_handed_in: Whether whoever started this process answers for the file, and changes it.
    """

    def __init__(self, path: Path, *, is_handed_in: bool = False) -> None:
        self.path = path
        self._is_handed_in = is_handed_in
        self._seen: tuple[int, int] | None = None
        self._users: Mapping[str, User] = {}

    @classmethod
    def of(cls, home: Path) -> Self:
        """Return the list of a home."""
        return cls(access_folder(home) / "users.json")

    @classmethod
    def named_by(cls, settings: Settings) -> Self:
        """Return the list that the settings hand in, or that of their home."""
        if settings.user_list is None:
            return cls.of(settings.home)
        return cls(settings.user_list, is_handed_in=True)

    def all(self) -> Mapping[str, User]:
        """Return all users by name.

        Raises:
            EnergyPlatformError: The file can't be read, or others may read it.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._seen, self._users = None, {}
            return self._users
        if self._seen != (found.st_ino, found.st_mtime_ns):
            if not self._is_handed_in:
                require_private(self.path)
            self._users = self._read()
            self._seen = found.st_ino, found.st_mtime_ns
        return self._users

    def find(self, name: str) -> User | None:
        """Return a user, if there is one of this name."""
        return self.all().get(name)

    def put(self, user: User) -> None:
        """Add a user, or replace the one of this name.

        Raises:
            UsageError: The list was handed in.
        """
        with self._alone() as users:
            self._write({**users, user.name: user})

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises:
            UsageError: There is none of this name, or the list was handed in.
        """
        with self._alone() as users:
            if name not in users:
                raise UsageError(f"there is no user {name!r}")
            self._write({key: user for key, user in users.items() if key != name})

    @contextmanager
    def _alone(self) -> Iterator[Mapping[str, User]]:
        if self._is_handed_in:
            raise UsageError(f"{self.path} was handed in: change it where it comes from")
        with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=0o600):
            yield self.all()

    def _read(self) -> Mapping[str, User]:
        try:
            said = json.loads(self.path.read_bytes())
            return {name: _user(name, one) for name, one in said["users"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EnergyPlatformError(f"{self.path} is no user list: {error}") from None

    def _write(self, users: Mapping[str, User]) -> None:
        said = {
            user.name: {
                "role": user.role,
                "portfolios": user.portfolios,
                "password_hash": user.password_hash,
            }
            for user in users.values()
        }
        write_private(self.path, (json.dumps({"users": said}, indent=2) + "\n").encode())


def _user(name: str, said: Mapping[str, Any]) -> User:
    return User(
        name=name,
        role=Role(said["role"]),
        portfolios=tuple(map(str, said["portfolios"])),
        password_hash=said["password_hash"],
    )
