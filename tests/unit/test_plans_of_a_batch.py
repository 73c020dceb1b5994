"""How many plans polars executes for a batch: a number that does not grow with the messages.

Each plan costs 0.1 to 0.5 ms, however few rows it has. Which time a batch takes is no test's
business; `benchmarks/batch.py` measures it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from benchmarks.batch import Collects
from energy_platform.market.registry import market_source
from energy_platform.pipeline.checks import check_messages
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
MANY: Final = {
    "energy_charts_frequency": "ordinary",
    "entsoe_generation": "across_the_autumn_change",
    "entsoe_outage": "archive_of_revisions",
    "nord_pool_intraday_order_book": "snapshot",
    "nord_pool_intraday_trade": "two_legs",
}
"""Sources that land hundreds of messages at once, and a test case of each."""


@pytest.mark.parametrize("name", MANY)
def test_the_plans_of_a_batch_do_not_grow_with_its_messages(name: str) -> None:
    few, many = plans(name, copies=2), plans(name, copies=20)
    assert 0 < few <= many <= few + 1


def plans(name: str, *, copies: int) -> int:
    """Return how many plans it takes to parse and check some copies of a case's messages."""
    source = market_source(name)
    case = [*case_messages(source, TESTCASES / name / MANY[name])]
    messages = [replace(one, landing_offset=at) for at, one in enumerate(case * copies)]
    check_messages(source, messages[:1])
    with (collects := Collects()):
        checked = check_messages(source, messages)
    assert checked.rows.height >= copies
    assert checked.unparsed == 0
    return collects.count
