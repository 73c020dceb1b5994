"""Turns raw messages into good rows and quarantined ones: parse, check with pandera, split.

No store, no network. A message that can't be parsed, a part of a message that its parser refuses,
and a row that fails a check never hold up what is beside them. Nothing is dropped: what is not a
good row is quarantined with its reason. `parsing` parses within a budget, and `row_verdicts` says
which rows pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.parsing import (
    LOST,
    OVER_BUDGET,
    SET_ASIDE,
    UNPARSED,
    parse_messages,
    parsed_dtypes,
)
from energy_platform.pipeline.row_verdicts import REASON_CHARACTERS, split
from energy_platform.pipeline.tables import QUARANTINE_DTYPES

PART: Final = "part"
"""The name of the check that a part of a message fails if its parser refuses it."""


OF_MESSAGES: Final = (UNPARSED, OVER_BUDGET, SET_ASIDE, LOST)
"""The names of the checks that a message fails as a whole, so that none of its rows is known."""

_NONE: Final[Mapping[int, str]] = MappingProxyType({})
_NOTHING_QUARANTINED: Final = pl.DataFrame(schema=QUARANTINE_DTYPES)


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The result of checking a batch of messages.

    Attributes:
        messages: The messages that were checked: the first of those given, since a batch has a
            budget.
        rows: Rows that pass every check, in the columns of the source's table.
        quarantined: What failed, one line per row or unparsed message (`QUARANTINE_DTYPES`).
        refused: The failed rows and refused parts as they were parsed, in the source's columns.
    """

    messages: Sequence[RawMessage]
    rows: pl.DataFrame
    quarantined: pl.DataFrame
    refused: pl.DataFrame

    @property
    def unparsed(self) -> int:
        """How many messages were not parsed."""
        return len(self.broken)

    @property
    def broken(self) -> frozenset[int]:
        """The landing offsets of messages that were not parsed."""
        return self._failing(*OF_MESSAGES)

    @property
    def readable(self) -> Sequence[RawMessage]:
        """The messages without those that are lost, set aside, or take more than one may."""
        unread = self._failing(OVER_BUDGET, SET_ASIDE, LOST)
        if not unread:
            return self.messages
        return [one for one in self.messages if one.landing_offset not in unread]

    def _failing(self, *checks: str) -> frozenset[int]:
        if self.quarantined.is_empty():
            return frozenset()
        failing = self.quarantined.filter(pl.col("check").is_in(checks))
        return frozenset(failing["landing_offset"])


def check_messages(
    source: MarketSource,
    messages: Sequence[RawMessage],
    *,
    set_aside: Mapping[int, str] = _NONE,
    is_careful: bool = False,
) -> CheckedRows:
    """Parse messages and check each row; each becomes a good row or a quarantined line.

    Args:
        source: The messages' source.
        messages: The messages, in landing order. The first are checked, as many as a batch may hold
            the rows of.
        set_aside: The landing offsets of messages that are not to be parsed, and the reasons.
        is_careful: Whether all are parsed in the limited process.
    """
    found = parse_messages(source, messages, set_aside=set_aside, is_careful=is_careful)
    frames, failures = found.frames, found.failures
    messages = messages[: found.taken]
    received = pl.DataFrame(
        {
            "landing_offset": [message.landing_offset for message in messages],
            "received_at": [message.received_at for message in messages],
        },
        schema={"landing_offset": pl.Int64, "received_at": INSTANT},
    )
    parsed = (
        frames[0] if len(frames) == 1 else pl.concat([_nothing(source), *frames], how="diagonal")
    )
    dated = parsed.lazy().join(
        received.lazy(), on="landing_offset", how="left", maintain_order="left"
    )
    if REFUSED in parsed.columns:
        complete = dated.select(*source.dtypes, REFUSED).collect()
        read = complete.filter(pl.col(REFUSED).is_null()).drop(REFUSED)
        refused = complete.filter(pl.col(REFUSED).is_not_null())
    else:
        read, refused = dated.select(*source.dtypes).collect(), _nothing_refused(source)
    rows, failing = split(source, read)
    if refused.is_empty() and failing.is_empty() and not failures:
        return CheckedRows(messages, rows, _NOTHING_QUARANTINED, rows.clear())
    said = {"landing_offset": pl.Int64, "check": pl.String, "reason": pl.String}
    unparsed = (
        pl.DataFrame(failures, schema=said, orient="row")
        .with_columns(pl.col("reason").str.slice(0, REASON_CHARACTERS))
        .join(received, on="landing_offset")
    )
    parts = refused.with_columns(reason=pl.col(REFUSED).str.slice(0, REASON_CHARACTERS))
    quarantined = pl.concat(
        [
            unparsed.select(**_line(check=pl.col("check"), row=pl.lit(None))),
            parts.select(**_line(check=pl.lit(PART), row=_as_json(source))),
            failing.select(**_line(check=pl.col("check"), row=_as_json(source))),
        ]
    )
    return CheckedRows(
        messages,
        rows,
        quarantined.sort("landing_offset", maintain_order=True),
        pl.concat([failing.select(*source.dtypes), refused.select(*source.dtypes)]),
    )


def _line(*, check: pl.Expr, row: pl.Expr) -> dict[str, pl.Expr]:
    """Return the columns of the quarantine, of rows that have a `reason`."""
    said = {"check": check, "row": row}
    return {
        name: said.get(name, pl.col(name)).cast(dtype) for name, dtype in QUARANTINE_DTYPES.items()
    }


@cache
def _nothing_refused(source: MarketSource) -> pl.DataFrame:
    return pl.DataFrame(schema={**source.dtypes, REFUSED: pl.String()})


@cache
def _nothing(source: MarketSource) -> pl.DataFrame:
    dtypes = parsed_dtypes(source)
    return pl.DataFrame(schema={name: dtypes[name] for name in dtypes if name != REFUSED})


def _as_json(source: MarketSource) -> pl.Expr:
    """Return a row as JSON, with the values that the market sent."""
    said = [name for name in source.dtypes if name not in PROVENANCE_COLUMNS]
    return pl.struct(*said).struct.json_encode()
