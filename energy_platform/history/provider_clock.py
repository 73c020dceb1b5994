"""From when on each row could be known, by its provider: the second clock of knowledge.

The first clock is ours: a row counts from `received_at` on. By the provider's clock a row that was
received years later, by a backfill, counts from when the source's rules say that it was published.
`known_basis` says on what that rests. No row counts later than it was received, and where no rule
speaks it counts from then on.

A rule other than a stated time speaks of the first revision of a row alone: a provider that
publishes at noon and corrects in the evening had not yet made the correction at noon.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.history.knowledge_time import DailyMoment
from energy_platform.market.instants import INSTANT
from energy_platform.market.publication import (
    AfterEvent,
    AfterRun,
    Basis,
    DailyPublication,
    Knowable,
    Stated,
    Where,
    basis_of,
)
from energy_platform.market.whole_list import WITHDRAWN

KNOWN_AT: Final = "known_at"
"""From when on a row counts, in UTC."""

KNOWN_BASIS: Final = "known_basis"
"""On what that rests; see `market.publication.Basis`."""

KNOWLEDGE: Final[dict[str, pl.DataType]] = {KNOWN_AT: INSTANT, KNOWN_BASIS: pl.String()}
"""The columns that say when a row was known."""

RECEIVED_AT: Final = "received_at"

_FIRST: Final = "_first"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that may say when a row could be known; the first step that does counts.

    Attributes:
        rule: A time that a column states, or a moment that the row's times give.
        basis: On what it rests.
        only: The column and the value of the rows that it speaks of; all, if None.
    """

    rule: Stated | AfterRun | AfterEvent | DailyMoment
    basis: Basis
    only: tuple[str, str] | None = None

    @property
    def is_of_first_revision(self) -> bool:
        """Whether the rule speaks of a row's first revision alone."""
        return not isinstance(self.rule, Stated)


def steps(rules: Sequence[Knowable]) -> Iterator[Step]:
    """Yield the steps of a source's rules, in the order in which they are tried."""
    for rule in rules:
        of = rule.rule if isinstance(rule, Where) else rule
        only = (rule.column, rule.value) if isinstance(rule, Where) else None
        moment = _moment(of) if isinstance(of, DailyPublication) else of
        yield Step(moment, basis_of(of), only)


def with_knowledge(
    rows: pl.LazyFrame, rules: Sequence[Knowable] | None, *, key: Sequence[str], event_time: str
) -> pl.LazyFrame:
    """Return rows with `known_at` and `known_basis`.

    Args:
        rows: Every revision of each of their keys, those of each message in their order.
        rules: The source's rules; without them a row counts from when it was received.
        key: The columns that tell one fact from another.
        event_time: The column that says when the fact holds.
    """
    if rules is None:
        return rows.with_columns(
            pl.col(RECEIVED_AT).alias(KNOWN_AT), pl.lit(Basis.RECEIVED.value).alias(KNOWN_BASIS)
        )
    tried = [*steps(rules)]
    has_withdrawals = WITHDRAWN in rows.collect_schema()
    if any(step.is_of_first_revision for step in tried):
        rows = rows.sort("landing_offset", maintain_order=True).with_columns(
            pl.struct(key).is_first_distinct().alias(_FIRST)
        )
    known_at, basis = pl.lit(None, dtype=INSTANT), pl.lit(Basis.RECEIVED.value)
    for step in reversed(tried):
        speaks = _speaks(step)
        if has_withdrawals:
            # A withdrawal repeats the row that it withdraws, and is news of its own.
            speaks &= pl.col(WITHDRAWN).not_().fill_null(value=True)
        moment = pl.when(speaks).then(_moment_of(step.rule, pl.col(event_time)))
        says = moment.is_not_null() & (moment < pl.col(RECEIVED_AT))
        basis = (
            pl.when(says)
            .then(pl.lit(step.basis.value))
            .when(moment.is_not_null())
            .then(pl.lit(Basis.RECEIVED.value))
            .otherwise(basis)
        )
        known_at = pl.coalesce(moment, known_at)
    return rows.with_columns(
        pl.min_horizontal(known_at, RECEIVED_AT).cast(INSTANT).alias(KNOWN_AT),
        basis.alias(KNOWN_BASIS),
    ).drop(_FIRST, strict=False)


def _speaks(step: Step) -> pl.Expr:
    speaks = pl.col(_FIRST) if step.is_of_first_revision else pl.lit(value=True)
    if step.only is not None:
        column, value = step.only
        speaks &= pl.col(column).eq_missing(pl.lit(value))
    return speaks


def _moment_of(rule: Stated | AfterRun | AfterEvent | DailyMoment, event: pl.Expr) -> pl.Expr:
    match rule:
        case Stated(column):
            return pl.col(column)
        case AfterRun(delay):
            return pl.col("run_at") + delay
        case AfterEvent(delay):
            return event + delay
        case DailyMoment():
            return rule.known_by(event)


def _moment(publication: DailyPublication) -> DailyMoment:
    return DailyMoment(
        publication.days_ahead, publication.at, publication.zone, publication.weekdays
    )
