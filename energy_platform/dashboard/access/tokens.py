"""Tokens for programs: an `Authorization: Bearer` header instead of a login.

A token belongs to a user and never may more than they. It has a scope, ends by itself and can be
revoked. The file has its hash alone.
"""

import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from energy_platform.dashboard.access.private_files import private_tables
from energy_platform.dashboard.access.sessions import key_hash
from energy_platform.dashboard.access.visitor import Role
from energy_platform.errors import UsageError
from energy_platform.settings import StatePlace
from energy_platform.storage.state import StateTables

_FORM: Final = re.compile(r"ep_(?P<token_id>[0-9a-f]{8})_(?P<key>[A-Za-z0-9_-]{43})")
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS token (
    token_id TEXT PRIMARY KEY, key_hash TEXT NOT NULL, "user" TEXT NOT NULL, scope TEXT NOT NULL,
    made_at REAL NOT NULL, ends_at REAL NOT NULL
) WITHOUT ROWID;
"""


class Scope(StrEnum):
    """What a token is for; each scope includes those before it."""

    READ = "read"
    POSITIONS = "positions"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The role that it gives at most."""
        return dict(zip(Scope, Role, strict=True))[self]


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token, without its key."""

    token_id: str
    user: str
    scope: Scope
    made_at: datetime
    ends_at: datetime


class Tokens:
    """The tokens of one platform."""

    def __init__(self, tables: StateTables, clock: Callable[[], float] = time.time) -> None:
        self._tables = tables
        self._clock = clock

    @classmethod
    def of(cls, place: StatePlace) -> Self:
        """Return the tokens of a platform."""
        return cls(private_tables(place, "tokens.db", _LAYOUT))

    def make(self, user: str, scope: Scope, *, seconds: float) -> str:
        """Make a token; return it, for it can't be read again."""
        token_id, key, now = secrets.token_hex(4), secrets.token_urlsafe(32), self._clock()
        with self._tables.transaction() as statements:
            statements.execute("DELETE FROM token WHERE ends_at <= ?", [now])
            statements.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)",
                [token_id, key_hash(key), user, scope, now, now + seconds],
            )
        return f"ep_{token_id}_{key}"

    def find(self, text: str) -> Token | None:
        """Return what is known of a token, unless it is unknown or has ended."""
        read = _FORM.fullmatch(text)
        if read is None:
            return None
        with self._tables.transaction("DEFERRED") as statements:
            row = statements.execute(
                'SELECT key_hash, token_id, "user", scope, made_at, ends_at FROM token'
                " WHERE token_id = ? AND ends_at > ?",
                [read["token_id"], self._clock()],
            ).fetchone()
        if row is None or not hmac.compare_digest(row[0], key_hash(read["key"])):
            return None
        return _token(*row[1:])

    def all(self) -> list[Token]:
        """Return all tokens that have not ended, by user."""
        with self._tables.transaction("DEFERRED") as statements:
            rows = statements.execute(
                'SELECT token_id, "user", scope, made_at, ends_at FROM token WHERE ends_at > ?'
                ' ORDER BY "user", made_at',
                [self._clock()],
            ).fetchall()
        return [_token(*row) for row in rows]

    def revoke(self, token_id: str) -> Token:
        """Revoke a token; return what was known of it.

        Raises:
            UsageError: There is none of this id.
        """
        revoked = [one for one in self.all() if one.token_id == token_id]
        if not revoked:
            raise UsageError(f"there is no token {token_id!r}")
        with self._tables.transaction() as statements:
            statements.execute("DELETE FROM token WHERE token_id = ?", [token_id])
        return revoked[0]

    def revoke_all_of(self, user: str) -> int:
        """Revoke all tokens of a user; return how many there were."""
        with self._tables.transaction() as statements:
            return statements.execute('DELETE FROM token WHERE "user" = ?', [user]).rowcount


def _token(token_id: str, user: str, scope: str, made_at: float, ends_at: float) -> Token:
    return Token(
        token_id,
        user,
        Scope(scope),
        datetime.fromtimestamp(made_at, UTC),
        datetime.fromtimestamp(ends_at, UTC),
    )
