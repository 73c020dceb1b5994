"""A visitor: who asks, in which role, and how that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

ALL_PORTFOLIOS: Final = "*"
"""Stands in a user's portfolios for every portfolio."""
_IN_SCOPE: Final = "energy_platform.visitor"


class Role(StrEnum):
    """What a user may do. Each role may do what those before it may.

    `docs/access.md` has the table.
    """

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"

    def may(self, needed: "Role") -> bool:
        """Return whether this role may do what needs another.

        >>> Role.ADMIN.may(Role.TRADER), Role.VIEWER.may(Role.TRADER)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Way(StrEnum):
    """How a visitor is known."""

    LOOPBACK = "loopback"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105 (the name of a way, no secret)
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks.

    Attributes:
        name: The user's name in the user list.
        role: What they may do.
        portfolios: The portfolios that they may see.
        way: How they are known.
        csrf: What a page must repeat in a header when it changes something; empty where the
            browser adds nothing by itself that a hostile page could use.
    """

    name: str
    role: Role
    portfolios: tuple[str, ...]
    way: Way
    csrf: str = ""

    def may(self, needed: Role) -> bool:
        """Return whether they may do what needs a role."""
        return self.role.may(needed)

    def may_see(self, portfolio: str) -> bool:
        """Return whether they may see a portfolio."""
        return ALL_PORTFOLIOS in self.portfolios or portfolio in self.portfolios


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    """Return who asks, from the ASGI scope of a request that the guard let through."""
    visitor = scope[_IN_SCOPE]
    assert isinstance(visitor, Visitor)
    return visitor


def let_in(scope: Mapping[str, Any], visitor: Visitor) -> dict[str, Any]:
    """Return the scope of a request with who asks."""
    return {**scope, _IN_SCOPE: visitor}
