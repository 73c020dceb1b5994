"""What is refused whoever asks: other hosts, other origins, other sites, and other machines."""

from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from energy_platform.dashboard.access.headers import CONTENT_SECURITY_POLICY
from energy_platform.settings import Settings
from tests.support.guarded_app import client, guarded_desk, served, with_users

PUBLIC = "https://desk.example"


@pytest.mark.parametrize("host", ["localhost:3070", "127.0.0.1:3070", "[::1]:3070", "LOCALHOST"])
async def test_this_machine_looks_without_a_login(home: Path, host: str) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app, host=host) as browser:
        answer = await browser.get("/api/who")
    assert answer.json() == {"name": "local", "role": "admin", "way": "loopback"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3070", "localhost.evil.example", "localhost.", "", "["]
)
async def test_a_host_name_that_is_not_ours_is_refused(home: Path, host: str) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app) as browser:
        answer = await browser.get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()["name"]) == (421, "wrong_host")
    assert "prices" not in answer.text


async def test_the_public_name_is_ours(home: Path) -> None:
    _, app = guarded_desk(with_users(home, dashboard_url=PUBLIC))
    async with client(app, host="desk.example", scheme="https") as browser:
        assert (await browser.get("/login")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}, {"Via": "1.1 proxy"}],
)
async def test_without_a_login_nobody_comes_through_a_proxy(
    home: Path, headers: dict[str, str]
) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app) as browser:
        answer = await browser.get("/", headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (403, "login_not_set")


async def test_without_a_login_nobody_comes_from_another_machine(home: Path) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app, address="192.0.2.7") as browser:
        assert (await browser.get("/")).json()["name"] == "login_not_set"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3070", 200),
        (None, 200),  # a program, which no page can make ask
        ("http://localhost:8888", 403),  # another program's page on this machine
        ("https://localhost:3070", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_only_our_own_page_changes_something(
    home: Path, origin: str | None, status: int
) -> None:
    desk, app = guarded_desk(Settings(home=home))
    headers = {} if origin is None else {"Origin": origin}
    async with client(app) as browser:
        answer = await browser.post("/api/change", headers=headers)
    assert answer.status_code == status
    assert desk.changes == ["local"] * (status == 200)


async def test_behind_https_a_page_of_plain_http_changes_nothing(home: Path) -> None:
    _, app = guarded_desk(with_users(home, dashboard_url=PUBLIC))
    async with client(app, host="desk.example", scheme="https") as browser:
        plain = await browser.post("/login", headers={"Origin": "http://desk.example"})
        ours = await browser.post("/login", headers={"Origin": PUBLIC})
    assert (plain.json()["name"], ours.status_code) == ("wrong_origin", 401)


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("none", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("cross-site", "navigate", "document", 200),  # a link in a chat
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "script", 403),
        ("same-site", "cors", "empty", 403),  # another port of this machine
    ],
)
async def test_another_sites_page_loads_nothing(
    home: Path, site: str, mode: str, dest: str, status: int
) -> None:
    _, app = guarded_desk(Settings(home=home))
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    async with client(app) as browser:
        assert (await browser.get("/api/who", headers=headers)).status_code == status


async def test_a_link_of_another_site_changes_nothing(home: Path) -> None:
    desk, app = guarded_desk(Settings(home=home))
    headers = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    async with client(app) as browser:
        answer = await browser.post("/api/change", headers=headers)
    assert (answer.json()["name"], desk.changes) == ("wrong_site", [])


async def test_a_path_with_control_characters_is_refused(home: Path) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app) as browser:
        assert (await browser.get("/dagster/graphql%0A")).json()["name"] == "bad_path"


async def test_every_answer_tells_the_browser_what_it_may_do(home: Path) -> None:
    _, app = guarded_desk(Settings(home=home))
    async with client(app) as browser:
        answers = [
            await browser.get(path, headers=headers)
            for path, headers in [
                ("/", {}), ("/missing", {}), ("/login", {}), ("/", {"Host": "evil.example"}),
            ]
        ]  # fmt: skip
    for answer in answers:
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "script-src 'self';" in CONTENT_SECURITY_POLICY


async def test_behind_https_the_browser_is_told_to_stay_there(home: Path) -> None:
    _, app = guarded_desk(with_users(home, dashboard_url=PUBLIC))
    async with client(app, host="desk.example", scheme="https") as browser:
        answer = await browser.get("/login")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_web_sockets_are_for_our_own_page_and_programs(home: Path) -> None:
    _, app = guarded_desk(Settings(home=home))
    with served(app) as port:
        url = f"ws://127.0.0.1:{port}/live"
        for headers in [{"Origin": f"http://127.0.0.1:{port}"}, {}]:
            async with connect(url, additional_headers=headers) as socket:
                assert await socket.recv() == "local: price"
        for origin in ["http://evil.example", f"http://localhost:{port}", "null"]:
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers={"Origin": origin})
            assert refused.value.response.status_code == 403
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as rebound:
            named = await rebound.get("/", headers={"Host": f"evil.example:{port}"})
        assert named.status_code == 421
