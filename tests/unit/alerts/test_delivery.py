"""What is told arrives at a real server, whoever was down or restarted meanwhile; once."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from requests import RequestException

from energy_platform.errors import UsageError
from energy_platform.operations.alerts import delivery
from energy_platform.operations.alerts.book import LINES, AlertBook
from energy_platform.operations.alerts.delivery import addresses, deliver
from energy_platform.operations.alerts.incidents import News, Told
from energy_platform.settings import StatePlace
from tests.support.webhook import Webhook, served_webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served_webhook() as hook:
        yield hook


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(delivery, "_BETWEEN_MESSAGES", timedelta())


def tell(book: AlertBook, urls: str, *lines: str, told: Told = Told.OPENED) -> None:
    digests = [address.digest for address in addresses(urls)]
    book.write([], [News(told, line) for line in lines], digests)


def send_all(book: AlertBook, urls: str) -> list[bool]:
    return [deliver(book, address) for address in addresses(urls)]


def test_one_message_tells_all_that_waits(home: Path, webhook: Webhook) -> None:
    book, url = AlertBook(StatePlace(home)), f"json://127.0.0.1:{webhook.port}/alerts"
    tell(book, url, "a is late", "b is late")
    tell(book, url, "a is on time", told=Told.OVER)
    assert send_all(book, url) == [True]
    [body] = map(json.loads, webhook.bodies)
    assert body["title"] == "Energy Platform: 2 to look at, 1 over"
    assert body["message"] == "PROBLEM: a is late\nPROBLEM: b is late\nOVER: a is on time"
    assert body["type"] == "failure"
    assert webhook.paths == ["/alerts"]
    assert send_all(book, url) == [True]
    assert len(webhook.bodies) == 1, "what has arrived is not sent again"


def test_a_webhook_that_was_down_gets_it_later_over_a_restart(
    home: Path, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"json://127.0.0.1:{webhook.port}/s3cret"
    tell(AlertBook(StatePlace(home)), url, "a is late")
    webhook.status = 503
    assert send_all(AlertBook(StatePlace(home)), url) == [False]
    assert "alert address 1 (JSON) can't be reached; 1 alerts wait" in caplog.text
    assert "s3cret" not in caplog.text
    # Another process, another day: what waited is sent, with what came since.
    restarted = AlertBook(StatePlace(home))
    tell(restarted, url, "b is late")
    webhook.status = 200
    while not send_all(restarted, url)[0]:
        pass
    [body] = map(json.loads, webhook.bodies)
    assert body["message"] == "PROBLEM: a is late\nPROBLEM: b is late"


def test_nothing_is_lost_where_nobody_listens(home: Path) -> None:
    url = "json://127.0.0.1:9/"
    book = AlertBook(StatePlace(home))
    tell(book, url, "a is late")
    [address] = addresses(url)
    began = datetime.now(UTC)
    assert not deliver(book, address)
    attempts = book.attempts(address.digest)
    assert attempts.failures == 1
    assert attempts.not_before > began
    assert [line.news.text for line in book.waiting(address.digest)] == ["a is late"]


def test_pauses_grow(home: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE_SECONDS", 100.0)
    webhook.status = 500
    book, url = AlertBook(StatePlace(home)), f"json://127.0.0.1:{webhook.port}/"
    tell(book, url, "a is late")
    send_all(book, url)
    send_all(book, url)
    assert len(webhook.paths) == 1, "it is not time to try again"


def test_a_webhook_that_hangs_is_given_up_in_time(
    home: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_SEND_SECONDS", 0.3)
    webhook.answering.clear()
    book, url = AlertBook(StatePlace(home)), f"json://127.0.0.1:{webhook.port}/"
    tell(book, url, "a is late")
    began = datetime.now(UTC)
    assert send_all(book, url) == [False]
    assert datetime.now(UTC) - began < timedelta(seconds=30)


def test_one_address_does_not_wait_for_another(home: Path, webhook: Webhook) -> None:
    urls = f"json://127.0.0.1:9/, json://127.0.0.1:{webhook.port}/"
    book = AlertBook(StatePlace(home))
    tell(book, urls, "a is late")
    assert send_all(book, urls) == [False, True]
    assert len(webhook.bodies) == 1


def test_an_address_that_is_no_longer_set_is_forgotten(home: Path) -> None:
    old, new = "json://127.0.0.1:9/old", "json://127.0.0.1:9/new"
    book = AlertBook(StatePlace(home))
    tell(book, old, "a is late")
    tell(book, new, "b is late")
    assert book.waiting(addresses(old)[0].digest) == []


def test_what_waits_is_bounded_and_what_is_given_up_is_logged(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = "json://127.0.0.1:9/"
    book = AlertBook(StatePlace(home))
    tell(book, url, *(f"line {number}" for number in range(LINES + 3)))
    waiting = book.waiting(addresses(url)[0].digest)
    assert len(waiting) == LINES
    assert waiting[-1].news.text == f"line {LINES + 2}"
    assert "3 alerts were never sent" in caplog.text


def test_a_storm_is_one_message_of_bounded_length(home: Path, webhook: Webhook) -> None:
    book, url = AlertBook(StatePlace(home)), f"json://127.0.0.1:{webhook.port}/"
    tell(book, url, *(f"source {number} is late" for number in range(200)))
    send_all(book, url)
    [body] = map(json.loads, webhook.bodies)
    assert body["title"] == "Energy Platform: 200 to look at"
    lines = body["message"].splitlines()
    assert len(lines) == 31
    assert lines[-1] == "and 170 more. Next: energy-platform alerts"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # Mattermost takes what Slack's webhooks take, and can be told its host.
        ("mmost://127.0.0.1:{port}/aaaaaaaaaaaaaaaaaaaaaaaaaa", ("text",)),
        ("rocket://hook/token@127.0.0.1:{port}?mode=webhook", ("text",)),
    ],
)
def test_a_chat_gets_a_payload_of_its_own_form(
    home: Path, webhook: Webhook, url: str, expected: Sequence[str]
) -> None:
    book, there = AlertBook(StatePlace(home)), url.format(port=webhook.port)
    tell(book, there, "ote_day_ahead_price is late")
    assert send_all(book, there) == [True]
    body = json.loads(webhook.bodies[0])
    assert set(expected) <= set(body)
    assert "is late" in webhook.bodies[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7", "https://hooks.slack.com/"),
        ("workflows://example.logic.azure.com:443/Wf1Xyz/s1GnaTuR3/", "https://example.logic"),
    ],
)
def test_slack_and_teams_get_their_payloads(
    home: Path, url: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hosts are fixed, and speak TLS: what would go there is caught at the last step."""
    posted: list[tuple[str, str]] = []

    def request(_: object, method: str, url: str, data: str, **__: object) -> object:
        assert method.upper() == "POST"
        posted.append((url, data))
        raise RequestException("no network in a test")

    monkeypatch.setattr("requests.sessions.Session.request", request)
    book = AlertBook(StatePlace(home))
    tell(book, url, "ote_day_ahead_price is late")
    assert send_all(book, url) == [False]
    [(to, body)] = posted
    assert to.startswith(host)
    assert "is late" in body
    assert "attachments" in json.loads(body)


@pytest.mark.parametrize("urls", ["nonsense", "json://127.0.0.1/, slack://s3cret"])
def test_an_address_that_is_none_is_refused_without_being_repeated(urls: str) -> None:
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_ALERT_URLS: address") as raised:
        addresses(urls)
    assert "s3cret" not in str(raised.value)


def test_no_address_is_none() -> None:
    assert addresses("") == []


def test_addresses_are_in_no_log_and_no_file(
    home: Path, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    webhook.status = 500
    book, url = AlertBook(StatePlace(home)), f"json://user:hunter2@127.0.0.1:{webhook.port}/s3cret"
    tell(book, url, "a is late")
    send_all(book, url)
    # pytest listens to loggers that pass nothing on, too; what a process logs comes from the root.
    assert not logging.getLogger("apprise").propagate
    ours = "".join(one.getMessage() for one in caplog.records if one.name != "apprise")
    for text in (ours, (home / "alerts.sqlite").read_bytes().decode("latin-1")):
        assert "hunter2" not in text
        assert "/s3cret" not in text
