"""What is refused whoever asks: other hosts, other origins, forged and stray requests.

A browser lets any page send requests to any address, this machine's too. It says truly, however,
under which host name it reached the server and from which origin the page came. Programs that are
no browsers send neither an origin nor a cookie by themselves.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from energy_platform.dashboard.access.refusal import Refused
from energy_platform.settings import Login, Settings, is_loopback

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The rules.

    Attributes:
        hosts: The host names under which the dashboard may be reached.
        origin: The public origin, if one is set.
        proxies: The trusted proxy's addresses.
        without_login: Whether everybody on this machine may look, and nobody else.
    """

    hosts: frozenset[str]
    origin: str | None
    proxies: tuple[IPv4Network | IPv6Network, ...]
    without_login: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the rules of these settings."""
        public = settings.dashboard_url.lower() if settings.dashboard_url else None
        named = {urlsplit(public).hostname} if public else set()
        networks = (settings.proxy_address or "").split(",")
        return cls(
            hosts=_LOOPBACK_NAMES | {host for host in named if host},
            origin=public,
            proxies=tuple(ip_network(one.strip()) for one in networks if one.strip()),
            without_login=settings.login is Login.NONE,
        )

    def check(self, asked: HTTPConnection) -> None:
        """Refuse a request that breaks a rule.

        Raises:
            Refused: It does.
        """
        host = self._host(asked)
        if _CONTROL_CHARACTERS.search(asked.scope["path"]):
            raise Refused(400, "bad_path", "a path has no control characters")
        if self.without_login:
            _require_own_machine(asked)
        if asked.scope["type"] == "websocket":
            self._require_own_origin(asked, host)
            return
        self._require_own_page(asked)
        if changes(asked):
            self._require_own_origin(asked, host)

    def client_address(self, asked: HTTPConnection) -> str:
        """Return who is at the other end; behind the trusted proxy, whom it names."""
        peer = asked.client.host if asked.client else ""
        if not self.is_proxy(peer):
            return peer
        named = ",".join(asked.headers.getlist("x-forwarded-for")).split(",")[-1].strip()
        return named or peer

    def is_proxy(self, address: str) -> bool:
        """Return whether an address is the trusted proxy's."""
        return _is_in(address, self.proxies)

    def _host(self, asked: HTTPConnection) -> str:
        """Return the request's host as the browser wrote it, if its name is one of ours."""
        said = asked.headers.getlist("host")
        if len(said) != 1 or _host_name(said[0]) not in self.hosts:
            raise Refused(
                421,
                "wrong_host",
                "the dashboard does not answer under this name; see docs/access.md",
            )
        return said[0].lower()

    def _require_own_origin(self, asked: HTTPConnection, host: str) -> None:
        """Refuse what a page of another origin sends; a program says no origin."""
        origins = asked.headers.getlist("origin")
        if not origins:
            return
        own = {self.origin} if self.origin else set()
        if _host_name(host) in _LOOPBACK_NAMES:
            own.add(f"http://{host}")
        if len(origins) > 1 or origins[0].lower() not in own:
            raise Refused(403, "wrong_origin", "a page of another origin may not do this")

    @staticmethod
    def _require_own_page(asked: HTTPConnection) -> None:
        """Refuse what another site's page loads, all but a link that a user follows."""
        if asked.headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return
        follows = (
            asked.scope["method"] == "GET"
            and asked.headers.get("sec-fetch-mode") == "navigate"
            and asked.headers.get("sec-fetch-dest") == "document"
        )
        if not follows:
            raise Refused(403, "wrong_site", "a page of another site may not load this")


def changes(asked: HTTPConnection) -> bool:
    """Return whether a request may change something."""
    return asked.scope["type"] == "http" and asked.scope["method"] not in _SAFE_METHODS


def _require_own_machine(asked: HTTPConnection) -> None:
    """Refuse what reaches a dashboard without login from elsewhere, also through a proxy."""
    peer = asked.client.host if asked.client else ""
    if not is_loopback(peer) or any(name in asked.headers for name in _FORWARDED):
        raise Refused(
            403, "login_not_set", "without ENERGY_PLATFORM_LOGIN only this machine may look"
        )


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_in(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:
        return False
