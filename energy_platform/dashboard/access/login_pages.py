"""Logging in and out: the page with its form, the session's cookie, and who one is.

The page is the only HTML that the guard writes itself. It has no script.
"""

import re
from html import escape
from typing import Final
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.dashboard.access.audit import Action
from energy_platform.dashboard.access.doorman import Doorman
from energy_platform.dashboard.access.passwords import PasswordCheck
from energy_platform.dashboard.access.pauses import Pauses
from energy_platform.dashboard.access.visitor import visitor_of
from energy_platform.settings import Login

LOGIN: Final = "/login"
OWN_PATHS: Final = frozenset({"/api/me", "/logout"})
_LARGEST_FORM_BYTES: Final = 8192
_OWN_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x1f\\]*")

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in: Energy Platform</title>
<link rel="stylesheet" href="/login/style.css">
</head>
<body>
<main>
<h1>Energy Platform</h1>
{problem}
{way}
</main>
</body>
</html>
"""
_FORM: Final = """<form method="post" action="/login">
<input type="hidden" name="next" value="{wanted}">
<label for="user">User</label>
<input id="user" name="user" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>"""
_LINK: Final = '<p><a class="button" href="/login/oidc/?next={wanted}">Log in</a></p>'
_STYLE: Final = """:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; min-height: 100vh; margin: 0; place-items: center; background: Canvas; }
main { width: min(20rem, 90vw); color: CanvasText; }
h1 { font-size: 1.25rem; }
label { display: block; margin-top: 1rem; }
input { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit; }
button, .button { display: inline-block; margin-top: 1.5rem; padding: .5rem 1.5rem; border: 0;
  border-radius: 4px; background: #0b57a4; color: #fff; font: inherit; text-decoration: none; }
[role=alert] { padding: .5rem; border-left: 4px solid #c2410c; }
"""


def login_routes(doorman: Doorman) -> list[BaseRoute]:
    """Return what anybody may ask for, at `/login` and below."""
    pages = _LoginPages(doorman)
    routes: list[BaseRoute] = [
        Route(LOGIN, pages.show),
        Route(f"{LOGIN}/style.css", _style),
    ]
    if doorman.settings.login is Login.USERS:
        routes.append(Route(LOGIN, pages.log_in, methods=["POST"]))
    return routes


def own_routes(doorman: Doorman) -> list[BaseRoute]:
    """Return what those may ask for who have logged in, at `OWN_PATHS`."""

    async def me(request: Request) -> Response:
        visitor = visitor_of(request.scope)
        return JSONResponse(
            {
                "name": visitor.name,
                "role": visitor.role,
                "portfolios": visitor.portfolios,
                "csrf": visitor.csrf,
                "login": doorman.settings.login,
            },
            headers={"Cache-Control": "no-store"},
        )

    async def log_out(request: Request) -> Response:
        visitor = visitor_of(request.scope)
        doorman.sessions.end(request.cookies.get(doorman.cookie, ""))
        doorman.audit.add(Action.LOGGED_OUT, visitor.name, doorman.boundary.client_address(request))
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(doorman.cookie, secure=doorman.is_https, httponly=True)
        return answer

    return [Route("/api/me", me), Route("/logout", log_out, methods=["POST"])]


def own_path(wanted: str | None) -> str:
    r"""Return where to go after the login: a path of ours, whatever a link said.

    >>> own_path("/#/gas"), own_path("//evil.example"), own_path("/\\evil.example"), own_path(None)
    ('/#/gas', '/', '/', '/')
    """
    return wanted if wanted and _OWN_PATH.fullmatch(wanted) else "/"


def logged_in(doorman: Doorman, request: Request, user: str, wanted: str) -> Response:
    """Return the answer to a login that succeeded: a new session, noted in the audit log."""
    if before := request.cookies.get(doorman.cookie):
        doorman.sessions.end(before)
    seconds = doorman.settings.session_hours * 3600
    key = doorman.sessions.begin(user, seconds=seconds)
    doorman.audit.add(Action.LOGGED_IN, user, doorman.boundary.client_address(request))
    answer = RedirectResponse(own_path(wanted), 303)
    answer.set_cookie(
        doorman.cookie, key, max_age=int(seconds), secure=doorman.is_https, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return answer


def refused_login(
    doorman: Doorman, request: Request, user: str, problem: str, wanted: str
) -> Response:
    """Return the answer to a login that failed, noted in the audit log."""
    address = doorman.boundary.client_address(request)
    doorman.audit.add(Action.LOGIN_REFUSED, user, address, reason=problem)
    return login_page(doorman, wanted, problem=problem, status=401)


def login_page(
    doorman: Doorman,
    wanted: str,
    *,
    problem: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the page with the form, or with the link to the OIDC provider."""
    way = {
        Login.USERS: _FORM.format(wanted=escape(own_path(wanted))),
        Login.OIDC: _LINK.format(wanted=escape(quote(own_path(wanted)))),
        Login.PROXY: "<p>Log in at the proxy.</p>",
        Login.NONE: '<p>On this machine there is no login. <a href="/">Go on</a></p>',
    }[doorman.settings.login]
    told = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return HTMLResponse(_PAGE.format(problem=told, way=way), status, headers=headers)


class _LoginPages:
    """The page and the form of one dashboard."""

    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman
        self._passwords = PasswordCheck()
        self._pauses = Pauses()

    async def show(self, request: Request) -> Response:
        return login_page(self._doorman, request.query_params.get("next", "/"))

    async def log_in(self, request: Request) -> Response:
        form = await _form(request)
        name, wanted = form.get("user", ""), form.get("next", "/")
        address = self._doorman.boundary.client_address(request)
        if seconds := self._pauses.seconds_left(name, address):
            return login_page(
                self._doorman, wanted, status=429,
                problem=f"Too many tries. The next one is possible in {seconds:.0f} s.",
                headers={"Retry-After": f"{seconds + 1:.0f}"},
            )  # fmt: skip
        self._pauses.tried(name, address)
        user = self._doorman.users.find(name)
        password_hash = user.password_hash if user else None
        if not await self._passwords.fits(form.get("password", ""), password_hash):
            return refused_login(
                self._doorman, request, name, "The user or the password is wrong.", wanted
            )
        self._pauses.succeeded(name, address)
        return logged_in(self._doorman, request, name, wanted)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; nothing of one that no login form sends."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM_BYTES:
            return {}
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


async def _style(_: Request) -> Response:
    return Response(_STYLE, media_type="text/css")
