"""Turns raw messages into good rows and quarantined ones: parse, check with pandera, split.

Pure: no store, no network. A message that can't be parsed, a part of a message that its parser
refuses, and a row that fails a check never hold up what is beside them. Nothing is dropped: what is
not a good row is quarantined with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
from pandera.errors import SchemaErrors
from polars.exceptions import PanicException

from energy_platform.errors import ParseError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import INSTANT, PROVENANCE_COLUMNS, REFUSED
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import QUARANTINE_DTYPES

UNPARSED: Final = "parse"
"""The name of the check that a message fails if it can't be parsed at all."""

PART: Final = "part"
"""The name of the check that a part of a message fails if its parser refuses it."""

_REASON_CHARACTERS: Final = 500


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
        return self.quarantined.filter(pl.col("check") == UNPARSED).height

    @property
    def broken(self) -> frozenset[int]:
        """The landing offsets of messages that could not be parsed."""
        lines = self.quarantined.filter(pl.col("check") == UNPARSED)
        return frozenset(lines["landing_offset"])


def check_messages(source: MarketSource, messages: Sequence[RawMessage]) -> CheckedRows:
    """Parse messages and check each row; each becomes a good row or a quarantined line."""
    received = pl.DataFrame(
        {
            "landing_offset": [message.landing_offset for message in messages],
            "received_at": [message.received_at for message in messages],
        },
        schema={"landing_offset": pl.Int64, "received_at": INSTANT},
    )
    frames, failures = _parse_around_failures(source, messages)
    parsed = pl.concat([pl.DataFrame(schema=_parsed_dtypes(source)), *frames])
    complete = parsed.join(received, on="landing_offset", how="left", maintain_order="left")
    read = complete.filter(pl.col(REFUSED).is_null()).select(*source.dtypes)
    rows, failing, failed = _split(source, read)
    refused = complete.filter(pl.col(REFUSED).is_not_null()).with_columns(
        row=_as_json(source), reason=pl.col(REFUSED).str.slice(0, _REASON_CHARACTERS)
    )
    unparsed = pl.DataFrame(
        failures, schema={"landing_offset": pl.Int64, "reason": pl.String}, orient="row"
    ).join(received, on="landing_offset")
    quarantined = pl.concat(
        [
            frame.with_columns(check=check).select(
                pl.col(name).cast(dtype) for name, dtype in QUARANTINE_DTYPES.items()
            )
            for frame, check in (
                (unparsed.with_columns(row=pl.lit(None)), pl.lit(UNPARSED)),
                (refused, pl.lit(PART)),
                (failed, pl.col("check")),
            )
        ]
    )
    return CheckedRows(
        rows,
        quarantined.sort("landing_offset", maintain_order=True),
        pl.concat([failing, refused.select(*source.dtypes)]),
    )


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
    if REFUSED not in frame.columns:
        frame = frame.with_columns(pl.lit(None, pl.String).alias(REFUSED))
    wanted = _parsed_dtypes(source)
    if differences := sorted(set(wanted.items()) ^ set(frame.schema.items()), key=str):
        named = ", ".join(
            f"{name} {'expected' if wanted.get(name) == dtype else 'found'} as {dtype}"
            for name, dtype in differences
        )
        raise ParseError(f"columns differ from the table's: {named}")
    return frame.select(*wanted)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    kind = "" if isinstance(error, ParseError) else f"{type(error).__name__}: "
    return (kind + text)[:_REASON_CHARACTERS]


def _split(
    source: MarketSource, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the rows that pass every check, the rows that fail, and quarantine lines for these."""
    nothing = pl.DataFrame(schema=QUARANTINE_DTYPES)
    if rows.is_empty():
        return rows, rows, nothing
    try:
        source.schema.validate(rows, lazy=True)
    except SchemaErrors as errors:
        failed = _failures_by_row(errors.failure_cases, rows.height)
    else:
        return rows, rows.clear(), nothing
    numbered = rows.with_row_index("index")
    failing = numbered.join(failed, on="index", maintain_order="left")
    lines = failing.with_columns(row=_as_json(source))
    passing = numbered.join(failed, on="index", how="anti", maintain_order="left")
    return passing.drop("index"), failing.select(rows.columns), lines.select(*QUARANTINE_DTYPES)


def _failures_by_row(cases: pl.DataFrame, height: int) -> pl.DataFrame:
    """Gather pandera's failure cases to one line per row: `index`, `check`, `reason`."""
    per_row = cases.filter(pl.col("index").is_not_null()).with_columns(
        pl.col("index").cast(pl.UInt32)
    )
    # A check that raised has judged no row, so every row counts as failed.
    for_all = cases.filter(pl.col("index").is_null()).drop("index")
    everyone = for_all.join(pl.select(index=pl.int_range(height, dtype=pl.UInt32)), how="cross")
    by_column = pl.col("schema_context") == "Column"
    reason = (
        pl.when(by_column)
        .then(
            pl.format(
                "{} = {} fails {}", "column", pl.col("failure_case").fill_null("null"), "check"
            )
        )
        .otherwise(pl.format("fails {}", "check"))
    )
    return (
        pl.concat([per_row, everyone.select(per_row.columns)])
        .with_columns(reason=reason.str.slice(0, _REASON_CHARACTERS))
        .group_by("index", maintain_order=True)
        .agg(
            check=pl.col("check").unique(maintain_order=True).str.join(", "),
            reason=pl.col("reason").unique(maintain_order=True).str.join("; "),
        )
    )
