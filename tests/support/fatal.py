"""A made-up market source of which some messages kill the process that parses them."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from energy_platform.market.raw_message import RawMessage
from tests.support.sources import EXAMPLE

KILLS = {b"crash": signal.SIGSEGV, b"endless": signal.SIGXCPU}
"""Bodies, and what the process gets that parses them."""


def parse_or_die(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Parse as the example does, and die of a message that says so."""
    for message in messages:
        if message.body in KILLS:
            os.kill(os.getpid(), KILLS[message.body])
    return EXAMPLE.parse(messages)


FATAL = replace(EXAMPLE, parse=parse_or_die)
