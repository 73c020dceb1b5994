"""Pauses after failed logins, by user and by address; how much is remembered is limited."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_FREE_TRIES: Final = 5
_FORGOTTEN_AFTER_SECONDS: Final = 3600.0
_MOST_REMEMBERED: Final = 10_000
_LONGEST_FOR_USER_SECONDS: Final = 60.0
"""A stranger who knows a user's name must not be able to lock them out."""
_LONGEST_FOR_ADDRESS_SECONDS: Final = 900.0


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float


@dataclass
class Pauses:
    """How long a user or an address must wait before the next try.

    Attributes:
        clock: A clock in seconds that never goes back.
    """

    clock: Callable[[], float] = time.monotonic
    _failures: OrderedDict[tuple[str, str], _Failures] = field(default_factory=OrderedDict)

    def seconds_left(self, user: str, address: str) -> float:
        """Return how long it takes until the next try; 0 if it may be made now."""
        return max(self._left(key) for key in _keys(user, address))

    def tried(self, user: str, address: str) -> None:
        """Count a try as failed until `succeeded` says otherwise, so that tries at once count."""
        for key in _keys(user, address):
            failures = self._remembered(key) or _Failures(0, 0.0)
            failures.count += 1
            failures.last_at = self.clock()
            self._failures[key] = failures
            self._failures.move_to_end(key)
        while len(self._failures) > _MOST_REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget a user's failures, and of those of the address the last one alone.

        Otherwise an attacker with an account of their own could begin anew at will.
        """
        users, addresses = _keys(user, address)
        self._failures.pop(users, None)
        if failures := self._failures.get(addresses):
            failures.count -= 1

    def _left(self, key: tuple[str, str]) -> float:
        failures = self._remembered(key)
        if failures is None or failures.count < _FREE_TRIES:
            return 0.0
        longest = _LONGEST_FOR_USER_SECONDS if key[0] == "user" else _LONGEST_FOR_ADDRESS_SECONDS
        pause = min(longest, 2.0 ** min(failures.count - _FREE_TRIES, 20))
        return max(0.0, failures.last_at + pause - self.clock())

    def _remembered(self, key: tuple[str, str]) -> _Failures | None:
        failures = self._failures.get(key)
        if failures and self.clock() - failures.last_at > _FORGOTTEN_AFTER_SECONDS:
            del self._failures[key]
            return None
        return failures


def _keys(user: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("user", user[:200]), ("address", _neighbourhood(address))


def _neighbourhood(address: str) -> str:
    """Return the address, or the network of an IPv6 address, of which one host may have many.

    >>> _neighbourhood("2001:db8::1:2"), _neighbourhood("192.0.2.1")
    ('2001:db8::/64', '192.0.2.1')
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:200]
    if isinstance(parsed, IPv6Address):
        return str(ip_network(f"{address}/64", strict=False))
    return address
