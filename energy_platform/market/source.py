"""The contract of a market source: one value says all that the platform needs to know of a feed.

A module in `energy_platform/sources/` holds one or more `MarketSource` values, and
`energy_platform.market.registry` finds it. Only the contract belongs here. What a provider sends is
described in the source's own module, and how bytes travel in its feed's.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property, wraps

import pandera.polars as pa
import polars as pl

from energy_platform.errors import SourceDefinitionError
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.feed import Feed
from energy_platform.market.provider import Provider
from energy_platform.market.publication import AfterEvent, DailyPublication, Knowable, Stated
from energy_platform.market.quantity import Quantity, quantity_of
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import ForecastRows, MarketRows
from energy_platform.market.source_rules import faults
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.market.units import unit_of
from energy_platform.market.whole_list import WholeList

Parser = Callable[[Sequence[RawMessage]], pl.DataFrame]
"""Turns raw messages into the rows that they hold: the source's columns and `landing_offset`.

A parser is pure: a message gives the same rows alone and among others. A part of a message that is
no row of this table (a series in another currency) becomes a row whose column `refused` says why. A
message that as a whole is not in the provider's format raises `ParseError` (any other exception
counts as one), and the caller then tries each message alone.
"""


class MarketGroup(StrEnum):
    """The markets that a desk watches together; each group has one sensor and one run per tick."""

    AUCTIONS = "auctions"
    INTRADAY = "intraday"
    GRID = "grid"
    GAS = "gas"
    WEATHER = "weather"


@dataclass(frozen=True, kw_only=True, eq=False)
class MarketSource:
    """One feed of one provider, and the table that it becomes.

    Attributes:
        name: The name of the table and the asset, e.g. `ote_day_ahead_price`.
        provider: Who publishes the data.
        group: The market group whose sensor watches the source.
        description: One or two sentences for the catalogue.
        feed: How the bytes arrive.
        parse: How the bytes become rows.
        rows: The pandera model of the table.
        key: Columns that tell one fact from another; a second row with the same key is a revision.
        event_time: The column that says when the fact holds.
        expected_lag: How old the newest data may be before the source is late; with `publication`,
            how long after the publication's time.
        terms: Terms of use, in short.
        publication: When values are due, if not all day long.
        knowable: From when on a row could be known by the provider, for history that was received
            later; see `knowable_from` for what holds if nothing is said.
        whole_run: How many values a complete run of a forecast has, if its definition says so.
        owner: Whom to ask about the source.
        revision: A column in which the provider numbers revisions; if None, the order of receipt
            counts.
        whole_list: What makes a message a whole list, so that a row which a newer list lacks is
            withdrawn; None if a missing row means nothing.
        hot_tags: Columns that name a series in the hot store; by default the key without times.
        hot_fields: Columns that the hot store keeps for screens; a dashboard plots the numbers
            among them. By default every numeric column not in the key.
        context: Parameters of the question that the payload may leave out, each with an example;
            whoever reads a payload by hand must give them. They never replace what the payload
            says.
        layouts_by: Names of the context that tell the source's several layouts apart.
        optional_fields: Uppermost fields that only some documents have; their absence is no drift.
        required_environment: Environment variables without which the live feed cannot run.
        vocabularies: The texts that columns are known to take, beside those to which the model
            restricts them; a mapping also has the provider's code of each. Readers find a table by
            them, and a row may have another one.
        quantities: The kinds of quantity of columns whose names leave them open.
        entitlement: The column of the key that says whose row it is, if not every user may see all
            rows: a portfolio.
    """

    name: str
    provider: Provider
    group: MarketGroup
    description: str
    feed: Feed
    parse: Parser
    rows: type[MarketRows]
    key: tuple[str, ...]
    event_time: str
    expected_lag: timedelta
    terms: str
    publication: DailyPublication | None = None
    knowable: tuple[Knowable, ...] | None = None
    whole_run: int | None = None
    owner: str = "team:market-data"
    revision: str | None = None
    whole_list: WholeList | None = None
    hot_tags: tuple[str, ...] | None = None
    hot_fields: tuple[str, ...] | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    layouts_by: tuple[str, ...] = ()
    optional_fields: tuple[str, ...] = ()
    required_environment: tuple[str, ...] = ()
    vocabularies: Mapping[str, Collection[str]] = field(default_factory=dict)
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    entitlement: str | None = None

    def __post_init__(self) -> None:
        """Refuse a wrong definition, with each wrong field and its correction.

        Raises:
            SourceDefinitionError: See `energy_platform.market.source_rules`.
        """
        if wrong := faults(self):
            raise SourceDefinitionError("; ".join(map(str, wrong)))

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The pandera schema of the table."""
        return self.rows.to_schema()

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The table's columns and their polars types, in order."""
        return {name: column.dtype.type for name, column in self.schema.columns.items()}

    @cached_property
    def value_columns(self) -> tuple[str, ...]:
        """Columns in which revisions differ: not key, provenance or publication time."""
        fixed = {*self.key, *PROVENANCE_COLUMNS, "published_at", self.revision}
        return tuple(name for name in self.dtypes if name not in fixed)

    @property
    def has_runs(self) -> bool:
        """Whether its rows are forecasts of runs."""
        return issubclass(self.rows, ForecastRows)

    @cached_property
    def knowable_from(self) -> tuple[Knowable, ...]:
        """The rules that say from when on a row could be known by its provider.

        What the source declares; otherwise what a row itself states in `published_at`, and then the
        time of publication, or the event time and the expected lag. A forecast is known before the
        time that it is for, so it must declare its own rule.
        """
        if self.knowable is not None:
            return self.knowable
        stated = (Stated("published_at"),) if "published_at" in self.dtypes else ()
        if issubclass(self.rows, ForecastRows):
            return stated
        return (*stated, self.publication or AfterEvent(self.expected_lag))

    @cached_property
    def facts_move(self) -> bool:
        """Whether a revision may move a fact to another event time.

        A row of a numbered list is never revised, since the list's number is in its key.
        """
        is_numbered = self.whole_list is not None and self.whole_list.number is not None
        return self.event_time not in self.key and not is_numbered

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Columns that name a series in the hot store."""
        if self.hot_tags is not None:
            return self.hot_tags
        return tuple(name for name in self.key if not self.dtypes[name].is_temporal())

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Columns that the hot store keeps as values."""
        if self.hot_fields is not None:
            return self.hot_fields
        return tuple(name for name in self.value_columns if self.dtypes[name].is_numeric())

    @cached_property
    def plotted(self) -> tuple[str, ...]:
        """The market's numbers among the hot store's values, which a dashboard can plot."""
        numbers = (name for name in self.fields if self.dtypes[name].is_numeric())
        return tuple(name for name in numbers if name in self.value_columns)

    @cached_property
    def kinds(self) -> dict[str, Quantity]:
        """The kind of quantity of each column that has one; the rules require that all have."""
        of_periods = "delivery_end" in self.dtypes
        said = {
            name: quantity_of(name, dtype, of_periods=of_periods)
            for name, dtype in self.dtypes.items()
        }
        return {name: kind for name, kind in (said | {**self.quantities}).items() if kind}

    @cached_property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """The table's columns with their units and descriptions."""
        return tuple(
            ColumnInfo(
                name=name,
                type=str(self.dtypes[name]),
                unit=unit_of(name),
                description=column.description,
                nullable=column.nullable,
                quantity=self.kinds[name],
                values=_values(column, self.vocabularies.get(name, ())),
                codes=_codes(self.vocabularies.get(name, ())),
            )
            for name, column in self.schema.columns.items()
        )


def each_message(parse_one: Callable[[RawMessage], pl.DataFrame]) -> Parser:
    """Turn a parser of one message into a `Parser` that notes each row's message."""

    @wraps(parse_one)
    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        return pl.concat(
            [
                parse_one(message).with_columns(
                    landing_offset=pl.lit(message.landing_offset, dtype=pl.Int64)
                )
                for message in messages
            ],
            how="diagonal",  # only a message with a refused part has that column
        )

    return parse


def _values(column: pa.Column, vocabulary: Collection[str]) -> tuple[str, ...]:
    """Return the texts to which a column is restricted, or else those that it is known to take."""
    allowed = [
        value
        for check in column.checks
        for value in (check.statistics or {}).get("allowed_values", ())
    ]
    return tuple(value for value in allowed if isinstance(value, str)) or tuple(vocabulary)


def _codes(vocabulary: Collection[str]) -> tuple[str, ...]:
    return tuple(map(str, vocabulary.values())) if isinstance(vocabulary, Mapping) else ()
