"""Login with an OIDC provider: the authorization code flow with PKCE, by authlib.

The provider says who it is; the user list says whether they may look, and what they may do.
"""

import logging
import secrets
import ssl
from typing import Any, Final

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from energy_platform.dashboard.access.doorman import Doorman
from energy_platform.dashboard.access.login_pages import (
    LOGIN,
    logged_in,
    login_page,
    own_path,
    refused_login,
)
from energy_platform.settings import Settings

_ANSWER_SECONDS: Final = 10.0
_LOGIN_SECONDS: Final = 600
"""How long a user may take to log in there."""
_SIGNED: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures that the provider alone can make: neither `none` nor one by a shared secret."""

_log = logging.getLogger(__name__)


def oidc_route(doorman: Doorman) -> Mount:
    """Return the routes to the provider and back.

    What must come back unchanged is in a signed cookie of the browser meanwhile; a restart of this
    process makes users begin their login again.
    """
    login = _OidcLogin(doorman)
    return Mount(
        f"{LOGIN}/oidc",
        routes=[Route("/", login.leave), Route("/callback", login.come_back)],
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=secrets.token_urlsafe(32),
                session_cookie="energy-platform-login",
                max_age=_LOGIN_SECONDS,
                path=f"{LOGIN}/oidc",
                https_only=doorman.is_https,
            )
        ],
    )


class _OidcLogin:
    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman
        self._client = _client(doorman.settings)

    async def leave(self, request: Request) -> Response:
        """Send the browser to the provider."""
        request.session.clear()
        wanted = own_path(request.query_params.get("next"))
        request.session["wanted"] = wanted
        public = self._doorman.settings.dashboard_url or f"http://{request.headers['host']}"
        try:
            await self._trusted_metadata()
            answer: Response = await self._client.authorize_redirect(
                request, f"{public}{LOGIN}/oidc/callback"
            )
        except (httpx.HTTPError, OAuthError, ValueError, RuntimeError) as error:
            _log.warning("the OIDC provider does not answer: %r", error)
            return login_page(
                self._doorman, wanted, status=503,
                problem="The login provider does not answer. Try again later.",
            )  # fmt: skip
        return answer

    async def come_back(self, request: Request) -> Response:
        """Take what the provider says, if it is signed and meant for this login."""
        wanted = str(request.session.get("wanted", "/"))
        try:
            metadata = await self._trusted_metadata()
            token = await self._client.authorize_access_token(
                request,
                claims_options={
                    "iss": {"essential": True, "value": metadata["issuer"]},
                    "aud": {"essential": True, "value": self._client.client_id},
                },
            )
            name = self._name(token.get("userinfo"))
        except (
            httpx.HTTPError,
            OAuthError,
            JoseError,
            KeyError,
            ValueError,
            RuntimeError,
        ) as error:
            _log.warning("a login by OIDC failed: %r", error)
            return refused_login(
                self._doorman, request, "", "The login provider did not confirm you.", wanted
            )
        finally:
            request.session.clear()
        if self._doorman.users.find(name) is None:
            return refused_login(
                self._doorman, request, name, f"{name} is not in the user list.", wanted
            )
        return logged_in(self._doorman, request, name, wanted)

    def _name(self, claims: dict[str, Any] | None) -> str:
        """Return the user's name.

        Raises:
            ValueError: The claims don't say it, or the provider has not verified it.
        """
        claim = self._doorman.settings.oidc_claim
        name = (claims or {}).get(claim)
        if not isinstance(name, str) or not name:
            raise ValueError(f"the provider says no {claim!r}")
        if claim == "email" and (claims or {}).get("email_verified") is not True:
            raise ValueError("the provider has not verified the e-mail address")
        return name

    async def _trusted_metadata(self) -> dict[str, Any]:
        """Return what the provider says of itself, without signatures that prove nothing.

        Raises:
            ValueError: It calls itself by another name.
        """
        metadata: dict[str, Any] = await self._client.load_server_metadata()
        issuer = self._doorman.settings.oidc_issuer or ""
        if str(metadata.get("issuer")).rstrip("/") != issuer.rstrip("/"):
            raise ValueError(f"the provider at {issuer} calls itself {metadata.get('issuer')!r}")
        signed = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [a for a in signed if a in _SIGNED]
        return metadata


def _client(settings: Settings) -> Any:  # noqa: ANN401 (authlib has no types)
    issuer, secret = (settings.oidc_issuer or "").rstrip("/"), settings.oidc_client_secret
    trusted = ssl.create_default_context()
    if settings.ca_file is not None:
        trusted.load_verify_locations(settings.ca_file)
    return OAuth().register(
        "oidc",
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "timeout": _ANSWER_SECONDS,
            "verify": trusted,
        },
    )
