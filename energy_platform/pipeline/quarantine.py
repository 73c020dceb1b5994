"""Quarantine: which refused rows and messages are new, and how they are shown to people.

A line is a row that failed (as JSON, with the values that the market sent) or a message that
couldn't be parsed. `energy_platform.pipeline.redrive` runs quarantined messages again after a fix.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import OF_MESSAGES, PART
from energy_platform.pipeline.tables import quarantine_table
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.warehouse.protocol import Warehouse

_BEGINNING_BYTES: Final = 400
"""How many bytes of an unparsed message a sample shows."""

_PUBLISHED: Final = r'"published_at":(?:"[^"]*"|null),?'


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineSample:
    """One line of a source's quarantine, with what is needed to look into it.

    Attributes:
        check: The check that failed; of a message as a whole `parse`, `budget` or `set_aside`.
        reason: Why it failed.
        times: How many lines fail for the same reason.
        landing_offset: Address of the message in the landing log.
        received_at: When the message was received.
        row: The row as JSON; None if the message couldn't be parsed.
        beginning: The beginning of the message, if it couldn't be parsed.
        context: What came with the message: its URL or topic, request parameters, content type.
    """

    check: str
    reason: str
    times: int
    landing_offset: int
    received_at: datetime
    row: str | None
    beginning: str | None
    context: dict[str, str]


def new_failures(failures: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of `failures` that say something new, in `QUARANTINE_DTYPES`.

    A row that fails the same check with the same values as before is kept once, however often a
    polled reply repeats it. Its publication time is not compared, as for rows that pass. A message
    that can't be parsed is always new, since nobody knows yet what it says.

    Args:
        failures: Lines in landing order.
        known: Lines of earlier messages that are in quarantine.
    """
    said = pl.concat([known, failures])
    statement = pl.struct("check", pl.col("row").str.replace(_PUBLISHED, ""))
    is_new = pl.col("row").is_null() | statement.is_first_distinct()
    return failures.filter(said.select(is_new=is_new).to_series().slice(known.height))


def refused_values(source: MarketSource, lines: pl.DataFrame) -> pl.DataFrame:
    """Return what lines with a row say of their source's key, tags and event time, typed.

    What a row does not state, or states in another type, is null.
    """
    wanted = dict.fromkeys((*source.key, *source.tags, source.event_time))
    return lines.select(
        "reason", "check", "received_at", "landing_offset",
        *(_stated(name, source.dtypes[name]) for name in wanted),
    )  # fmt: skip


def _stated(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col("row").str.json_path_match(f"$.{name}")
    if isinstance(dtype, pl.Datetime):
        read = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        return read.cast(dtype).alias(name)
    if dtype == pl.Boolean:
        return (text == "true").alias(name)
    return text.cast(dtype, strict=False).alias(name)


def quarantine_reasons(warehouse: Warehouse, sources: Iterable[MarketSource]) -> pl.DataFrame:
    """Return what is in quarantine, most frequent first within each source.

    Columns: `source`, `check`, `reason` (values left out, so that like reasons are one), `lines`,
    `first_received_at`, `last_received_at`.
    """
    tables = [
        warehouse.scan(quarantine_table(source)).with_columns(source=pl.lit(source.name))
        for source in sources
    ]
    if not tables:
        raise ValueError("the quarantine of no source was asked for")
    return (
        pl.concat(tables)
        .with_columns(reason=_KIND_OF_REASON)
        .group_by("source", "check", "reason")
        .agg(
            lines=pl.len(),
            first_received_at=pl.col("received_at").min(),
            last_received_at=pl.col("received_at").max(),
        )
        .sort("source", "lines", "last_received_at", descending=[False, True, True])
        .collect()
    )


def quarantine_samples(
    warehouse: Warehouse, landing: LandingZone, source: MarketSource, *, limit: int
) -> list[QuarantineSample]:
    """Return the newest line of each reason, most frequent reasons first, at most `limit`."""
    newest = (
        warehouse.scan(quarantine_table(source))
        .with_columns(kind=_KIND_OF_REASON)
        .sort("landing_offset", maintain_order=True)
        .group_by("check", "kind")
        .agg(pl.len().alias("times"), pl.all().last())
        .sort("times", "landing_offset", descending=True)
        .head(limit)
        .collect()
    )
    log = landing.log(source.name)
    samples = []
    for line in newest.drop("kind").iter_rows(named=True):
        offset = line["landing_offset"]
        log.end_offset(taken=offset + 1)
        [message] = log.read(offset, offset + 1)
        beginning = message.body[:_BEGINNING_BYTES].decode("utf-8", "backslashreplace")
        samples.append(
            QuarantineSample(
                **line,
                beginning=beginning if line["row"] is None else None,
                context=dict(message.context),
            )
        )
    return samples


_KIND_OF_REASON: Final = (
    # Numbers in a parser's message are places in a payload; those in a check's name belong to it.
    pl.when(pl.col("check").is_in([*OF_MESSAGES, PART]))
    .then(pl.col("reason").str.replace_all(r"\d+", "…"))
    .otherwise(pl.col("reason").str.replace_all(r" = .*? fails ", " = … fails "))
)
