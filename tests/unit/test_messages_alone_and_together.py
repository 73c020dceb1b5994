"""What a message means never depends on the batch that it is in.

Every parser is given the payloads of its source's test cases, whole and cut off somewhere, each
alone and in groups of any order: rows, failures and their reasons are the same.
"""

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.pipeline.checks import CheckedRows, check_messages
from tests.support.effort import examples
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
MOST_BYTES: Final = 100_000

Said = tuple[Counter[object], Counter[object]]


@cache
def messages_of(name: str) -> list[RawMessage]:
    """Return the messages of all test cases of a source, and halves that make one together."""
    source = market_sources()[name]
    whole = [
        message
        for case in sorted((TESTCASES / name).iterdir())
        for message in case_messages(source, case)
        if len(message.body) <= MOST_BYTES
    ]
    halves = [
        replace(message, body=half)
        for message in whole
        for cut in (len(message.body) // 2, message.body.find(b"},") + 1)
        for half in (message.body[:cut], message.body[cut:].removeprefix(b","))
    ]
    return [replace(one, landing_offset=at) for at, one in enumerate([*whole, *halves])]


@cache
def alone(name: str, place: int) -> Said:
    return said(check_messages(market_sources()[name], [messages_of(name)[place]]))


def said(checked: CheckedRows) -> Said:
    return Counter(map(str, checked.rows.rows())), Counter(map(str, checked.quarantined.rows()))


def together(name: str, places: list[int]) -> Said:
    messages = messages_of(name)
    return said(check_messages(market_sources()[name], [messages[place] for place in places]))


@pytest.mark.parametrize("name", market_sources())
def test_a_message_says_the_same_alone_and_among_others(name: str) -> None:
    @settings(
        max_examples=examples(6),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.permutations(range(len(messages_of(name)))), st.integers(2, 12))
    def holds(order: list[int], length: int) -> None:
        places = order[:length]
        rows: Counter[object] = Counter()
        failures: Counter[object] = Counter()
        for place in places:
            good, bad = alone(name, place)
            rows += good
            failures += bad
        assert together(name, places) == (rows, failures)

    holds()


@pytest.mark.parametrize("name", market_sources())
def test_the_halves_of_a_message_never_become_one(name: str) -> None:
    messages = messages_of(name)
    for first, second in pairwise(range(len(messages) // 4, len(messages))):
        (rows, failures), (more, others) = alone(name, first), alone(name, second)
        assert together(name, [first, second]) == (rows + more, failures + others)
