"""A payload read by hand says what it is, or is told it; nothing is assumed."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import ContextMissingError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
SOURCES: Final = [name for name, source in market_sources().items() if source.context]


def good_messages(source: MarketSource) -> list[RawMessage]:
    cases = sorted((TESTCASES / source.name).iterdir())
    messages = [message for case in cases for message in case_messages(source, case)]
    return [one for one in messages if not check_messages(source, [one]).rows.is_empty()]


def without(message: RawMessage, name: str) -> RawMessage:
    """Return a message without a part of its context, and without a name of it that says so."""
    unsaid = {name, "url", "file_name"}
    left = {key: value for key, value in message.context.items() if key not in unsaid}
    return replace(message, context=left)


def missing_of(source: MarketSource, message: RawMessage) -> str | None:
    try:
        source.parse([message])
    except ContextMissingError as error:
        return error.name
    return None


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_payload_leaves_out_is_asked_for_and_not_assumed(source: str) -> None:
    one = market_sources()[source]
    messages = good_messages(one)
    assert messages
    for name in one.context:
        missed = 0
        for message in messages:
            untold = without(message, name)
            if missing_of(one, untold) is None:  # then the payload said it itself
                told = check_messages(one, [message])
                assert_frame_equal(check_messages(one, [untold]).rows, told.rows)
            else:
                assert missing_of(one, untold) == name
                missed += 1
        assert missed, f"{name} is no context of {source}"
