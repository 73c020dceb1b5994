"""Every parser survives payloads gone wrong: rows, quarantine or a clear error, and nothing else.

The payloads are those of the test cases, so a new source is covered as soon as it has some. Of each
outcome it is asked that nothing was raised, that it came in time, that rows pass their schema and
come out the same again, that the verdict on them is pandera's, and that nothing was dropped in
silence.

In an ordinary run each source has a hundred cases; `make nightly` tries ten thousand. Each test
prints what came of them.
"""

import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Final
from unittest.mock import patch

import hypothesis
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline import checks
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.pipeline.parsing import UNPARSED
from tests.support.effort import EFFORT, examples
from tests.support.mutations import Mutation, data_lines, field_paths, mutated
from tests.support.testcases import case_messages
from tests.support.verdicts import held_to_pandera

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
CASES: Final = examples(100)
"""How many payloads of each source go wrong."""
LONGEST_SECONDS: Final = 20.0
"""Of CPU, that one payload may keep a parser; one that hangs ends by the test's own time-out."""


@dataclass(slots=True)
class Tally:
    """What came of the mutated payloads of a source; `good` has its rows, each once."""

    cases: int = 0
    rows: int = 0
    quarantined: int = 0
    refused: int = 0
    empty: int = 0
    good: list[pl.DataFrame] = field(default_factory=list)

    def add(self, checked: CheckedRows) -> None:
        self.cases += 1
        self.good.append(checked.rows)
        if len(self.good) > 100:
            # Most rows come again and again.
            self.good = [pl.concat(self.good).unique()]
        self.rows += checked.rows.height
        self.quarantined += checked.quarantined.height
        self.refused += checked.unparsed
        self.empty += checked.rows.is_empty() and checked.quarantined.is_empty()


@dataclass(frozen=True)
class Seed:
    """The payloads of a test case, and what they hold when nothing is wrong with them."""

    case: str
    messages: list[RawMessage] = field(repr=False)
    outcome: CheckedRows = field(repr=False)

    @property
    def is_declared_empty(self) -> bool:
        return self.outcome.rows.is_empty() and self.outcome.quarantined.is_empty()


@cache
def seeds(name: str) -> list[Seed]:
    source = market_sources()[name]
    found = []
    for case in sorted((TESTCASES / name).iterdir()):
        messages = case_messages(source, case)
        found.append(Seed(case.name, messages, check_messages(source, messages)))
    return found


@pytest.mark.parametrize("name", market_sources())
def test_a_mutated_payload_gives_rows_or_quarantine_or_a_clear_error(name: str) -> None:
    source, tally = market_sources()[name], Tally()

    @hypothesis.settings(
        max_examples=CASES,
        derandomize=EFFORT == 1,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds(name)), st.randoms(use_true_random=False))
    def survives(seed: Seed, random: Random) -> None:
        number = random.randrange(len(seed.messages))
        change = mutated(seed.messages[number].body, random)
        hypothesis.note(f"{seed.case}, payload {number}, {change.what}: {change.body[:2000]!r}")
        tally.add(outcome_of(source, seed, number, change))

    survives()
    source.schema.validate(pl.concat(tally.good), lazy=True)
    print(  # noqa: T201 (the report of a nightly run)
        f"{name}: {tally.cases} mutated payloads gave {tally.rows} rows, {tally.quarantined} "
        f"quarantined, of which {tally.refused} payloads refused; {tally.empty} were empty"
    )
    assert tally.cases >= CASES
    assert tally.refused, "none was refused: were they mutated at all?"


def outcome_of(source: MarketSource, seed: Seed, number: int, change: Mutation) -> CheckedRows:
    """Parse a case of which one payload has gone wrong, and hold what comes of it to account."""
    messages = list(seed.messages)
    messages[number] = replace(messages[number], body=change.body)
    began = time.process_time()
    checked = check_messages(source, messages)
    seconds = time.process_time() - began
    assert seconds < LONGEST_SECONDS, f"it took {seconds:.1f} s"
    assert dict(checked.rows.schema) == source.dtypes
    assert checked.quarantined["reason"].str.len_chars().min() != 0, "a reason is missing"
    assert_nothing_vanished(source, seed, number, change, checked)
    if len(change.body) % 4 == 0:
        with patch.object(checks, "split", held_to_pandera):
            again = check_messages(source, messages)
        assert_frame_equal(again.rows, checked.rows)
        assert_frame_equal(again.quarantined, checked.quarantined)
    return checked


def assert_nothing_vanished(
    source: MarketSource, seed: Seed, number: int, change: Mutation, checked: CheckedRows
) -> None:
    """Refuse an outcome that says less than the payload does, without a word why."""
    lost = seed.outcome.rows.height - checked.rows.height
    more_words = checked.quarantined.height - seed.outcome.quarantined.height
    # A document that is refused as a whole says so once for all of its records, the bad included.
    whole = checked.unparsed > seed.outcome.unparsed
    said = lost <= 0 or more_words > 0 or whole
    assert not change.garbled or said, f"{lost} rows are gone, none garbled"
    if records_of(seed.outcome, number) and not outcomes_of(checked, number):
        assert may_be_empty(source.name, change.body), "all that the payload held has vanished"


def outcomes_of(checked: CheckedRows, number: int) -> int:
    """Return how many rows and failures came of one payload."""
    return sum(
        frame.filter(landing_offset=number).height for frame in (checked.rows, checked.quarantined)
    )


def records_of(checked: CheckedRows, number: int) -> int:
    """Return how many rows, good and bad, were read from one payload."""
    refusals = checked.quarantined.filter(pl.col("check") == UNPARSED, landing_offset=number)
    return outcomes_of(checked, number) - refusals.height


def may_be_empty(name: str, body: bytes) -> bool:
    """Say whether a payload says nothing more than one that a test case declares to be empty.

    A document may then have no field that such a one does not have; a table no more lines.
    """
    empties = [
        message.body for seed in seeds(name) if seed.is_declared_empty for message in seed.messages
    ]
    paths = field_paths(body)
    if paths is None:
        return any(data_lines(body) <= data_lines(empty) for empty in empties)
    return any(paths <= (field_paths(empty) or frozenset()) for empty in empties)
