"""A small OIDC provider: its documents, its login, and tokens that it signs, on a socket.

It checks what a provider checks: the client's secret, the address to return to, PKCE, and that a
code is used once. A test may have it say something false.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, quote

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.guarded_app import served

CLIENT: Final = "energy-platform"
SECRET: Final = "the client's secret"

Claims = dict[str, Any]


@dataclass
class OidcProvider:
    """A provider.

    Attributes:
        issuer: Its address.
        claims: What it says of the user who logs in.
        changed: Changes the claims of a token before it is signed.
        signed: Signs a token's claims.
        metadata: What its document says otherwise.
    """

    issuer: str = ""
    claims: Claims = field(
        default_factory=lambda: {"sub": "7", "email": "alice", "email_verified": True}
    )
    changed: Callable[[Claims], Claims] = field(default=lambda claims: claims)
    signed: Callable[[Claims], str] | None = None
    metadata: Claims = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._document),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def sign(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)

    async def _document(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                **self.metadata,
            }
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return RedirectResponse(
            f"{asked['redirect_uri']}?code={code}&state={quote(asked['state'])}"
        )

    async def _token(self, request: Request) -> Response:
        said = {name: one[-1] for name, one in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(said["code"], None)
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        challenge = base64.urlsafe_b64encode(sha256(said["code_verifier"].encode()).digest())
        if (
            asked is None
            or basic != f"{CLIENT}:{SECRET}"
            or asked["redirect_uri"] != said["redirect_uri"]
            or asked["code_challenge"] != challenge.decode().rstrip("=")
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = self.changed(
            {
                "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300,
                "nonce": asked["nonce"], **self.claims,
            }
        )  # fmt: skip
        token = (self.signed or self.sign)(claims)
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": token})


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """Run a provider while the context lasts."""
    provider = OidcProvider()
    with served(provider.app()) as port:
        provider.issuer = f"http://127.0.0.1:{port}"
        yield provider
