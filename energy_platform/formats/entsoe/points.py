"""The points of ENTSO-E's documents as rows, one per market time unit.

The curve type decides what a missing position means, and the two must not be confused: under A03
the value before continues, to the end of the period; under A01 the value is not known. The source
that asks knows what a series is about.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from energy_platform.errors import OverBudgetError
from energy_platform.formats.entsoe.document import Document
from energy_platform.formats.entsoe.elements import expect, read_document, text_of
from energy_platform.formats.entsoe.series import About, Found, parameter_for
from energy_platform.market.budget import MOST_ROWS
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED

_PROCESS: Final = "process.processType"


def points(  # noqa: PLR0913 (what is read, and where it may be told beside the documents)
    messages: Sequence[RawMessage],
    document: Document,
    columns: Mapping[str, str],
    *,
    reads_question: bool = True,
    asked_as: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return one row per market time unit of each series for which a document has a value.

    Columns: `delivery_start`, `delivery_end` (UTC), `resolution` (`PT15M`, `PT60M`, ...), `process`
    (the document's process type, may be null), `value`, the requested `columns` as text, null if
    neither a series nor the question gives it, and `landing_offset`. A value that a series repeats
    is one row. A point whose position its period does not have has no `delivery_start`. A malformed
    number is NaN, and an empty one is null.

    The column `refused` says why a series, a period or one of several values for one market time
    unit is not read; it is null for all other rows.

    Args:
        messages: The replies.
        document: The requirements for each.
        columns: Columns to make, and the paths of their elements below a TimeSeries.
        reads_question: Whether the question's parameters replace elements that a reply leaves out.
        asked_as: The question's parameter for a column, if it is not named like the element.
        defaults: The value of a column if neither the series nor the question gives it.

    Raises:
        OverBudgetError: The values hold for more market time units than a message may have rows.
        ParseError: A reply is another document, or has neither a series nor a period.
    """
    found = Found(columns)
    for message in messages:
        root = read_document(message.body)
        expect("document", "type", text_of(root, "type"), {document.type})
        question = message.context if reads_question else {}
        process = text_of(root, _PROCESS) or parameter_for(question, _PROCESS)
        if document.processes:
            expect("document", _PROCESS, process, document.processes)
        about = About(
            document=document,
            columns=columns,
            asked=question,
            defaults={
                **(defaults or {}),
                **{
                    column: message.context[parameter]
                    for column, parameter in (asked_as or {}).items()
                    if parameter in message.context
                },
            },
        )
        found.add(root, about, {"process": process, "landing_offset": message.landing_offset})
    periods = found.periods()
    told = periods.select("period", "resolution", *columns, "process", "landing_offset")
    rows = _market_time_units(found.points(periods), periods).join(
        told, on="period", maintain_order="left"
    )
    everything = pl.concat([rows.drop("period", "series"), found.refused()], how="diagonal")
    return everything.select(
        *("delivery_start", "delivery_end", "resolution", "value", *columns),
        *(REFUSED, "process", "landing_offset"),
    ).sort("landing_offset", maintain_order=True)


def _market_time_units(found: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return `period`, `delivery_start`, `delivery_end` and `value`, a row per market time unit."""
    position, length = pl.col("position"), pl.col("length")
    exists = position.is_between(1, length).fill_null(value=False)
    in_period = (pl.col("period") == pl.col("period").shift(-1)).fill_null(value=False)
    placed = (
        found.join(
            periods.select("period", "series", "holds", "start", "step", "edges", "length"),
            on="period",
            maintain_order="left",
        )
        .with_columns(next_is_known=(position.shift(-1) >= 1).fill_null(value=False) | ~in_period)
        .sort("period", "position", nulls_last=True, maintain_order=True)
    )
    # If the next position can't be read, it is unknown how far a value holds.
    ends = pl.when("next_is_known").then(position.shift(-1)).otherwise(position + 1)
    until = pl.min_horizontal(pl.when(in_period).then(ends), length + 1)
    placed = placed.with_columns(
        exists=exists,
        # A repeated position keeps both rows; `_one_value_each` then requires a single value.
        steps=pl.when(exists & pl.col("holds"))
        .then((until - position).clip(lower_bound=1))
        .otherwise(1),
    )
    if (rows := int(placed["steps"].sum())) > MOST_ROWS:
        raise OverBudgetError(f"a document of {rows:,} rows; {MOST_ROWS:,} is the most")
    index = pl.int_ranges(position - 1, position - 1 + pl.col("steps"))
    units = placed.with_columns(index=index).explode("index")
    start, end = (
        pl.coalesce(
            pl.col("start") + (pl.col("index") + later) * pl.col("step"),
            pl.col("edges").list.get(pl.col("index") + later, null_on_oob=True),
        )
        for later in (0, 1)
    )
    return _one_value_each(
        units.select(
            "period",
            "series",
            "value",
            delivery_start=pl.when("exists").then(start),
            delivery_end=pl.when("exists").then(end),
        )
    )


def _one_value_each(units: pl.DataFrame) -> pl.DataFrame:
    """Drop repeated values; refuse (`refused`) contradicting ones."""
    has_place = pl.col("delivery_start").is_not_null()
    torn = pl.struct("series", "delivery_start").is_duplicated() & has_place
    if not units.select(torn.any()).item():
        return units.with_columns(pl.lit(None, pl.String).alias(REFUSED))
    distinct = pl.struct("series", "delivery_start", "value").is_first_distinct()
    return units.filter(distinct | ~has_place).with_columns(
        pl.when(torn).then(pl.lit("one of several values for one market time unit")).alias(REFUSED)
    )
