"""Login with an OIDC provider, which runs on a socket and signs its tokens."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.types import ASGIApp

from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.settings import Settings, StatePlace
from tests.support.guarded_app import client, guarded_desk, with_users
from tests.support.oidc_provider import CLIENT, SECRET, Claims, OidcProvider, oidc_provider


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    with oidc_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OidcProvider) -> OidcProvider:
    """The provider, telling the truth."""
    fresh = OidcProvider()
    running.claims, running.changed, running.signed, running.metadata = (
        fresh.claims, fresh.changed, fresh.signed, fresh.metadata,
    )  # fmt: skip
    return running


def by_oidc(home: Path, provider: OidcProvider, **more: object) -> Settings:
    return with_users(
        home, login="oidc", oidc_issuer=provider.issuer, oidc_client_id=CLIENT,
        oidc_client_secret=SECRET, **more,
    )  # fmt: skip


async def log_in(browser: httpx.AsyncClient, wanted: str = "/") -> httpx.Response:
    """Go to the provider and back, as a browser does."""
    left = await browser.get("/login/oidc/", params={"next": wanted})
    assert left.status_code == 302, left.text
    async with httpx.AsyncClient() as outside:
        at_provider = await outside.get(left.headers["location"])
    back = httpx.URL(at_provider.headers["location"])
    assert back.path == "/login/oidc/callback"
    return await browser.get(back.raw_path.decode())


@pytest.fixture
def app(home: Path, provider: OidcProvider) -> ASGIApp:
    return guarded_desk(by_oidc(home, provider))[1]


async def test_the_provider_says_who_it_is_and_the_list_what_they_may(
    home: Path, app: ASGIApp
) -> None:
    async with client(app) as browser:
        page = await browser.get("/login?next=/%23/gas")
        assert 'href="/login/oidc/?next=/%23/gas"' in page.text
        entered = await log_in(browser, "/#/gas")
        assert (entered.status_code, entered.headers["location"]) == (303, "/#/gas")
        assert (await browser.get("/api/who")).json() == {
            "name": "alice", "role": "admin", "way": "session",
        }  # fmt: skip
    assert AuditLog.of(StatePlace(home)).newest(1)[0].action == "logged in"


async def refused(home: Path, app: ASGIApp) -> str:
    """Log in in vain; return why, as the audit log has it."""
    async with client(app) as browser:
        answer = await log_in(browser)
        assert answer.status_code == 401
        assert (await browser.get("/api/who")).status_code == 401
    entry = AuditLog.of(StatePlace(home)).newest(1)[0]
    assert entry.action == "login refused"
    return str(entry.detail["reason"])


async def test_who_is_not_in_the_list_may_not_look(
    home: Path, provider: OidcProvider, app: ASGIApp
) -> None:
    provider.claims["email"] = "mallory@example.com"
    assert await refused(home, app) == "mallory@example.com is not in the user list."


NOT_CONFIRMED = "The login provider did not confirm you."


@pytest.mark.parametrize(
    "changed",
    [
        lambda claims: claims | {"nonce": "of another login"},
        lambda claims: {name: one for name, one in claims.items() if name != "nonce"},
        lambda claims: claims | {"aud": "another client"},
        lambda claims: claims | {"iss": "https://evil.example"},
        lambda claims: claims | {"exp": claims["iat"] - 3600},
        lambda claims: claims | {"email_verified": False},
        lambda claims: claims | {"email_verified": "true"},
        lambda claims: claims | {"email": None},
        lambda claims: claims | {"email": ["alice"]},
    ],
)
async def test_a_token_that_is_not_for_this_login_is_refused(
    home: Path, provider: OidcProvider, app: ASGIApp, changed: Callable[[Claims], Claims]
) -> None:
    provider.changed = changed
    assert await refused(home, app) == NOT_CONFIRMED


def unsigned(claims: Claims) -> str:
    return jwt.encode({"alg": "none"}, claims, OctKey.import_key(""), algorithms=["none"])


def signed_with_the_public_key(claims: Claims) -> str:
    return jwt.encode(
        {"alg": "HS256", "kid": "1"}, claims, OctKey.import_key(SECRET * 2), algorithms=["HS256"]
    )


def signed_by_another(claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "1"}, claims, RSAKey.generate_key(2048))


@pytest.mark.parametrize(
    "signed", [unsigned, signed_with_the_public_key, signed_by_another, lambda _: "no token"]
)
async def test_a_token_that_the_provider_did_not_sign_is_refused(
    home: Path, provider: OidcProvider, app: ASGIApp, signed: Callable[[Claims], str]
) -> None:
    provider.signed = signed
    assert await refused(home, app) == NOT_CONFIRMED


async def test_an_answer_to_somebody_elses_login_is_refused(home: Path, app: ASGIApp) -> None:
    async with client(app) as victim, client(app) as attacker, httpx.AsyncClient() as outside:
        left = await attacker.get("/login/oidc/")
        back = httpx.URL((await outside.get(left.headers["location"])).headers["location"])
        await victim.get("/login/oidc/")
        assert (await victim.get(back.raw_path.decode())).status_code == 401
        assert (await attacker.get(back.raw_path.decode())).status_code == 303
        again = await attacker.get(back.raw_path.decode())
        assert again.status_code == 401, "an answer counts once"


async def test_another_claim_may_be_the_name(home: Path, provider: OidcProvider) -> None:
    provider.claims = {"sub": "carol"}
    _, app = guarded_desk(by_oidc(home, provider, oidc_claim="sub"))
    async with client(app) as browser:
        assert (await log_in(browser)).status_code == 303
        assert (await browser.get("/api/who")).json()["name"] == "carol"


async def test_the_way_back_is_the_public_address(home: Path, provider: OidcProvider) -> None:
    _, app = guarded_desk(by_oidc(home, provider, dashboard_url="https://desk.example"))
    async with client(app, host="desk.example", scheme="https") as browser:
        left = httpx.URL((await browser.get("/login/oidc/")).headers["location"])
        assert left.params["redirect_uri"] == "https://desk.example/login/oidc/callback"
        [cookie] = [one for one in browser.cookies.jar if one.name == "energy-platform-login"]
    assert cookie.secure


async def test_a_provider_that_calls_itself_otherwise_is_not_trusted(
    provider: OidcProvider, app: ASGIApp
) -> None:
    provider.metadata = {"issuer": "https://evil.example"}
    async with client(app) as browser:
        assert (await browser.get("/login/oidc/")).status_code == 503


async def test_a_provider_that_is_away_is_said_so(home: Path) -> None:
    _, app = guarded_desk(by_oidc(home, OidcProvider(issuer="http://127.0.0.1:9")))
    async with client(app) as browser:
        answer = await browser.get("/login/oidc/")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
