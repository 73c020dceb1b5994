"""Finds out who asks: by a token, a session, the trusted proxy, or as somebody on this machine.

The user list is asked each time, so a user who is removed, or gets another role, has it at once.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

from starlette.requests import HTTPConnection

from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.boundary import Boundary
from energy_platform.dashboard.access.refusal import NotLoggedIn, Refused
from energy_platform.dashboard.access.sessions import Sessions
from energy_platform.dashboard.access.tokens import Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import ALL_PORTFOLIOS, Role, Visitor, Way
from energy_platform.settings import Login, Settings

_BEARER: Final = "Bearer "
_SOMEBODY_HERE: Final = Visitor(
    name="local", role=Role.ADMIN, portfolios=(ALL_PORTFOLIOS,), way=Way.LOOPBACK
)


@dataclass(frozen=True, kw_only=True)
class Doorman:
    """Knows the visitors of one dashboard.

    Attributes:
        settings: How they log in.
        boundary: Knows the trusted proxy.
        users: Who may look.
        sessions: Who has logged in.
        tokens: Which programs may look.
        audit: Where logins are noted.
    """

    settings: Settings
    boundary: Boundary
    users: UserList
    sessions: Sessions
    tokens: Tokens
    audit: AuditLog
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the doorman of a home."""
        return cls(
            settings=settings,
            boundary=Boundary.of(settings),
            users=UserList.named_by(settings),
            sessions=Sessions.of(settings.state),
            tokens=Tokens.of(settings.state),
            audit=AuditLog.of(settings.state),
        )

    @property
    def is_https(self) -> bool:
        """Whether users reach the dashboard by HTTPS alone."""
        return (self.settings.dashboard_url or "").lower().startswith("https:")

    @property
    def has_login_page(self) -> bool:
        """Whether users log in here, and not at a proxy or not at all."""
        return self.settings.login in {Login.USERS, Login.OIDC}

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds a session's key.

        A browser takes the first one from this host alone, and over HTTPS alone.
        """
        return "__Host-energy-platform" if self.is_https else "energy-platform"

    def visitor(self, asked: HTTPConnection) -> Visitor:
        """Return who asks.

        Raises:
            NotLoggedIn: Nobody who may look.
        """
        if (said := asked.headers.get("authorization", "")).startswith(_BEARER):
            return self._with_token(said.removeprefix(_BEARER))
        match self.settings.login:
            case Login.NONE:
                return _SOMEBODY_HERE
            case Login.PROXY:
                return self._from_proxy(asked)
            case _:
                return self._with_session(asked)

    def require_token(self, asked: HTTPConnection, visitor: Visitor) -> None:
        """Refuse a change that a page of another site could have made the browser send.

        Raises:
            Refused: The request lacks the visitor's CSRF token.
        """
        said = asked.headers.get("x-csrf-token", "")
        if visitor.csrf and not hmac.compare_digest(said.encode(), visitor.csrf.encode()):
            raise Refused(403, "csrf", "the request lacks its X-CSRF-Token; /api/me says it")

    def _with_token(self, text: str) -> Visitor:
        token = self.tokens.find(text.strip())
        user = self.users.find(token.user) if token else None
        if token is None or user is None:
            raise NotLoggedIn("this token is unknown, was revoked or has ended")
        role = token.scope.role if user.role.may(token.scope.role) else user.role
        return Visitor(name=user.name, role=role, portfolios=user.portfolios, way=Way.TOKEN)

    def _with_session(self, asked: HTTPConnection) -> Visitor:
        key = asked.cookies.get(self.cookie)
        session = self.sessions.find(key) if key else None
        user = self.users.find(session.user) if session else None
        if session is None or user is None:
            raise NotLoggedIn
        return _known(user, Way.SESSION, session.csrf)

    def _from_proxy(self, asked: HTTPConnection) -> Visitor:
        peer = asked.client.host if asked.client else ""
        named = asked.headers.getlist(self.settings.proxy_user_header)
        if not self.boundary.is_proxy(peer) or len(named) != 1:
            raise NotLoggedIn("only the proxy may say who asks")
        user = self.users.find(named[0])
        if user is None:
            raise Refused(403, "unknown_user", f"{named[0]!r} is not in the user list")
        return _known(user, Way.PROXY, hmac.new(self._key, user.name.encode(), sha256).hexdigest())


def visitor_named(settings: Settings, users: UserList, name: str) -> Visitor | None:
    """Return a visitor by the name that `Visitor.name` has; None if nobody of it may look."""
    if settings.login is Login.NONE and name == _SOMEBODY_HERE.name:
        return _SOMEBODY_HERE
    user = users.find(name)
    return None if user is None else _known(user, Way.SESSION, "")


def _known(user: User, way: Way, csrf: str) -> Visitor:
    return Visitor(name=user.name, role=user.role, portfolios=user.portfolios, way=way, csrf=csrf)
