"""Every polled source tells an answer from a page, a cut body and another source's answer."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest

from energy_platform.encodings.answer_forms import is_of
from energy_platform.errors import ParseError
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.feeds.polling import PollingFeed
from energy_platform.feeds.sns.announced_files import ANNOUNCES
from energy_platform.feeds.sns.bucket_files import WholeFile
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.market.registry import market_source, market_sources
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parent.parent.parent / "testcases"
PAGES = (
    b"",
    b" \n",
    b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>",
    b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><body>503</body></html>',
    b"Service temporarily unavailable\n",
    b'{"error": "internal error", "status": 500}',
    b"null",
    b"\x1f\x8b\x08\x00garbage",
)


def anything(_body: bytes) -> None:
    """Take anything for an answer, as a feed does that doesn't say what one looks like."""


def told(name: str) -> Callable[[bytes], bool] | None:
    """Return what tells whether a body answers a source's question; None if it is not polled."""
    feed = market_source(name).feed
    if isinstance(feed, PollingFeed):
        return partial(is_of, feed.answers or anything)
    if isinstance(feed, FtpFeed):
        return feed.is_complete
    files = feed.files if isinstance(feed, SnsEndpointFeed) else None
    if files is not None and isinstance(files.read, WholeFile):
        return files.read.is_complete
    return None


POLLED = sorted(name for name in market_sources() if told(name) is not None)


class Read(NamedTuple):
    """A test case's payload that its source's parser reads, and whether rows come of it."""

    body: bytes
    has_rows: bool


@cache
def answers(name: str) -> dict[str, Read]:
    """Return the payloads of a source's test cases that are answers, by case."""
    return dict(_answers(name))


def _answers(name: str) -> Iterator[tuple[str, Read]]:
    source = market_source(name)
    for case in sorted((TESTCASES / name).iterdir()):
        for number, message in enumerate(case_messages(source, case)):
            try:
                rows = source.parse([message])
            except ParseError:
                continue
            if ANNOUNCES not in message.context:
                yield f"{case.name} {number}", Read(message.body, not rows.is_empty())


def test_all_sources_that_ask_are_held_to_this() -> None:
    asking = {
        name
        for name, source in market_sources().items()
        if isinstance(source.feed, (PollingFeed, FtpFeed))
    }
    assert asking <= set(POLLED)
    assert len(POLLED) > 25


@pytest.mark.parametrize("name", POLLED)
def test_every_answer_is_taken_for_one(name: str) -> None:
    is_answer = told(name)
    assert is_answer is not None
    refused = [case for case, one in answers(name).items() if not is_answer(one.body)]
    assert answers(name)
    assert refused == []


@pytest.mark.parametrize("name", POLLED)
def test_a_page_or_an_empty_body_is_none(name: str) -> None:
    is_answer = told(name)
    assert is_answer is not None
    assert [page for page in PAGES if is_answer(page)] == []


@pytest.mark.parametrize("name", POLLED)
def test_an_answer_that_is_cut_is_none(name: str) -> None:
    is_answer = told(name)
    assert is_answer is not None
    for case, (body, _) in answers(name).items():
        whole = body.rstrip() if body[:2] != b"PK" else body
        places = {len(whole) * part // 20 for part in range(20)} | {len(whole) - 1}
        taken = [
            at for at in sorted(places) if whole[at - 1 : at] != b"\n" and is_answer(whole[:at])
        ]
        assert taken == [], case


def share_a_form(name: str, other: str) -> bool:
    """Say whether two sources are sent the same kind of reply, as files of one provider's."""
    feeds = market_source(name).feed, market_source(other).feed
    forms = [feed.answers for feed in feeds if isinstance(feed, PollingFeed)]
    return len(forms) == len(feeds) and forms[0] is forms[1]


@pytest.mark.parametrize("name", POLLED)
def test_another_sources_answer_is_none(name: str) -> None:
    is_answer = told(name)
    assert is_answer is not None
    others = {
        f"{other} {case}": one.body
        for other in POLLED
        if other != name and not share_a_form(name, other)
        for case, one in answers(other).items()
        if one.has_rows  # providers say alike that there is nothing
    }
    taken = [case for case, body in others.items() if is_answer(body)]
    assert taken == []
