"""Turns raw messages into good rows and quarantined ones: parse, check with pandera, split.

Pure: no store, no network. A message that can't be parsed, a part of a message that its parser
refuses, and a row that fails a check never hold up what is beside them. Nothing is dropped: what is
not a good row is quarantined with its reason. `row_verdicts` says which rows pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl
from polars.exceptions import PanicException

from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.row_verdicts import REASON_CHARACTERS, split
from energy_platform.pipeline.tables import QUARANTINE_DTYPES

UNPARSED: Final = "parse"
"""The name of the check that a message fails if it can't be parsed at all."""

LOST: Final = "landing"
"""The name of the check that messages fail if the landing zone can't read them any more."""

PART: Final = "part"
"""The name of the check that a part of a message fails if its parser refuses it."""


_NOTHING_QUARANTINED: Final = pl.DataFrame(schema=QUARANTINE_DTYPES)


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The result of checking a batch of messages.

    Attributes:
        rows: Rows that pass every check, in the columns of the source's table.
        quarantined: What failed, one line per row or unparsed message (`QUARANTINE_DTYPES`).
        refused: The failed rows and refused parts as they were parsed, in the source's columns.
    """

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    refused: pl.DataFrame

    @property
    def unparsed(self) -> int:
        """How many messages could not be parsed."""
        return self._unparsed_lines.height

    @property
    def broken(self) -> frozenset[int]:
        """The landing offsets of messages that could not be parsed."""
        return frozenset(self._unparsed_lines["landing_offset"])

    @property
    def _unparsed_lines(self) -> pl.DataFrame:
        if self.quarantined.is_empty():
            return self.quarantined
        return self.quarantined.filter(pl.col("check").is_in([UNPARSED, LOST]))


def check_messages(source: MarketSource, messages: Sequence[RawMessage]) -> CheckedRows:
    """Parse messages and check each row; each becomes a good row or a quarantined line."""
    readable = [message for message in messages if message.lost is None]
    frames, failures = _parse_around_failures(source, readable)
    lost = [
        (message.landing_offset, message.lost.reason[:REASON_CHARACTERS])
        for message in messages
        if message.lost is not None
    ]
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
    if refused.is_empty() and failing.is_empty() and not failures and not lost:
        return CheckedRows(rows, _NOTHING_QUARANTINED, rows.clear())
    parts = refused.with_columns(reason=pl.col(REFUSED).str.slice(0, REASON_CHARACTERS))
    quarantined = pl.concat(
        [
            _of_messages(failures, UNPARSED, received),
            _of_messages(lost, LOST, received),
            parts.select(**_line(check=pl.lit(PART), row=_as_json(source))),
            failing.select(**_line(check=pl.col("check"), row=_as_json(source))),
        ]
    )
    return CheckedRows(
        rows,
        quarantined.sort("landing_offset", maintain_order=True),
        pl.concat([failing.select(*source.dtypes), refused.select(*source.dtypes)]),
    )


def _of_messages(
    failures: Sequence[tuple[int, str]], check: str, received: pl.DataFrame
) -> pl.DataFrame:
    """Return a line for each message that failed as a whole: its offset, and why."""
    told = pl.DataFrame(
        failures, schema={"landing_offset": pl.Int64, "reason": pl.String}, orient="row"
    ).join(received, on="landing_offset")
    return told.select(**_line(check=pl.lit(check), row=pl.lit(None)))


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
    dtypes = _parsed_dtypes(source)
    return pl.DataFrame(schema={name: dtypes[name] for name in dtypes if name != REFUSED})


def _parsed_dtypes(source: MarketSource) -> dict[str, pl.DataType]:
    """Return a parser's columns: the table's without `received_at`, and `refused`."""
    dtypes = {name: dtype for name, dtype in source.dtypes.items() if name != "received_at"}
    return {**dtypes, REFUSED: pl.String()}


def _as_json(source: MarketSource) -> pl.Expr:
    """Return a row as JSON, with the values that the market sent."""
    said = [name for name in source.dtypes if name not in PROVENANCE_COLUMNS]
    return pl.struct(*said).struct.json_encode()


def _parse_around_failures(
    source: MarketSource, messages: Sequence[RawMessage]
) -> tuple[list[pl.DataFrame], list[tuple[int, str]]]:
    """Parse all at once if that works, else halve until the failing messages stand alone."""
    if not messages:
        return [], []
    try:
        return [_parse(source, messages)], []
    except (Exception, PanicException) as error:  # noqa: BLE001 (a payload may make a parser raise anything)
        if len(messages) == 1:
            return [], [(messages[0].landing_offset, _reason(error))]
    middle = len(messages) // 2
    left, left_failures = _parse_around_failures(source, messages[:middle])
    right, right_failures = _parse_around_failures(source, messages[middle:])
    return left + right, left_failures + right_failures


def _parse(source: MarketSource, messages: Sequence[RawMessage]) -> pl.DataFrame:
    frame = source.parse(messages)
    wanted = _parsed_dtypes(source)
    found = {REFUSED: wanted[REFUSED], **frame.schema}
    if differences := sorted(set(wanted.items()) ^ set(found.items()), key=str):
        named = ", ".join(
            f"{name} {'expected' if wanted.get(name) == dtype else 'found'} as {dtype}"
            for name, dtype in differences
        )
        raise ParseError(f"columns differ from the table's: {named}")
    return frame


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    kind = "" if isinstance(error, ParseError) else f"{type(error).__name__}: "
    return (kind + text)[:REASON_CHARACTERS]
