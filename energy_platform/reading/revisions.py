"""How a table came to say what it says: every revision, vintages, and one delivery over time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import (
    AsOf,
    EachVintage,
    KnowledgeTime,
    LeadTime,
    knowledge_time,
)
from energy_platform.history.provider_clock import KNOWN_AT
from energy_platform.history.question import REVISION_INDEX, VINTAGE, Question
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.wall_clock import Fold, When, Window, Zone, in_zone, instant, window
from energy_platform.reading.asking import (
    Clock,
    Knowledge,
    RunAsked,
    earlier,
    question_of,
    with_run,
)
from energy_platform.reading.choice import condition_on_key, is_list, require_found
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.place import StoredTables
from energy_platform.reading.where import Where

_AS_OF: Final = "as_of"
_LEAD_TIME: Final = "lead_time"
_GATE: Final = "gate"
_BY_RUN: Final = ("latest", "latest_complete")
"""The runs that are other ones at each moment."""
_REACH: Final = timedelta(hours=25)
"""How long before an instant the row begins that holds at it: a day whose clocks are put back."""


class Revisions(Connected):
    """Questions about how a table came to say what it says."""

    def revisions(
        self,
        name: str,
        *,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
        run: RunAsked | None = None,
        known: Clock = "received",
        look_ahead: bool = False,
        where: Where | None = None,
    ) -> pl.DataFrame:
        """Return every revision of each row, in order of event time, key and revision.

        Args:
            name: A market source's name, as `catalog` lists it.
            start: Only rows whose event time is at or after this time.
            end: Only rows whose event time is before this time.
            day: Only this day of `zone`, instead of `start` and `end`.
            month: Only this month of `zone`, "2026-03", instead.
            zone: The zone of times and days, and of the answer's instants; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was known by then, as in `scan`; what superseded a row later is not
                said.
            run: Of a forecast only this run, as in `scan`.
            known: By whose clock a row is known, as in `scan`.
            look_ahead: Whether `as_of` may lie after the beginning of a delivery.
            where: Only rows with these values in key columns.

        Returns:
            The source's columns (units in their names), and for each row `revision_index`, from 1
            on; `known_at`, from when on it counted, and `known_basis`, on what that rests; and
            `superseded_at`, from when on a later revision counted instead, null while none does. A
            row that arrived after a later revision never counted: both times are the same. Where a
            newer list can withdraw a row, `withdrawn` marks the revision that does.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: A time can't be read, `where` names no key column, or a value that no row
                has, or a mart is asked for, which has no revisions.

        >>> import energy_platform as ep
        >>> log = ep.revisions("ote_day_ahead_price", day="2026-03-29", zone="Europe/Prague")
        >>> log.select("revision_index", "known_basis", "superseded_at").row(0)
        (1, 'received', None)
        """
        asked = _source(name)
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        knowledge = Knowledge(as_of=as_of, known=known, look_ahead=look_ahead, zone=zone, fold=fold)
        question = replace(question_of(asked, wanted, knowledge), every_revision=True)
        tables = self.place.warehouse()
        if run is not None:
            question = with_run(question, asked, tables, run, knowledge)
        found = _met(tables.answer(question), asked, where, _stored(tables, asked, wanted))
        return in_zone(found.sort(asked.event_time, *asked.key, REVISION_INDEX), zone)

    def vintages(
        self,
        name: str,
        *,
        lead_times: Sequence[timedelta] | None = None,
        gates: Sequence[str] | None = None,
        instants: Sequence[When] | None = None,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        run: RunAsked | None = None,
        known: Clock = "received",
        look_ahead: bool = False,
        where: Where | None = None,
    ) -> pl.DataFrame:
        """Return what was known at several moments, from one reading of the table.

        Args:
            name: A market source's name, as `catalog` lists it.
            lead_times: How long before each row's event time.
            gates: Daily moments before each row's day, such as "D-1 12:00 Europe/Berlin".
            instants: Moments that are the same for all rows.
            start: Only rows whose event time is at or after this time.
            end: Only rows whose event time is before this time.
            day: Only this day of `zone`, instead of `start` and `end`.
            month: Only this month of `zone`, "2026-03", instead.
            zone: The zone of times and days, and of the answer's instants; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.
            run: Of a forecast only this run; "latest" or "latest_complete", for each moment the one
                that was it then, which is looked for at each moment by itself; or "latest_each",
                for each moment and valid time the newest run that had it.
            known: By whose clock a row is known, as in `scan`.
            look_ahead: Whether a moment may lie after the beginning of a delivery.
            where: Only rows with these values in key columns.

        Returns:
            The rows that `load` has for each moment, in order of the moments, event time and key.
            `as_of` is the instant by which the row had to be known; `lead_time` or `gate` says
            which moment was meant, if it depends on the row.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: Not exactly one kind of moments is given, one of them looks ahead, `where`
                names no key column, or a value that no row has; or no run was complete by a moment.

        >>> import energy_platform as ep
        >>> from datetime import timedelta
        >>> hours = [timedelta(hours=1), timedelta(hours=24)]
        >>> early = ep.vintages("ote_day_ahead_price", lead_times=hours)
        >>> sorted(early["lead_time"].unique())
        [datetime.timedelta(seconds=3600), datetime.timedelta(days=1)]
        """
        asked = _source(name)
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        kind, said = _one_kind(lead_times=lead_times, gates=gates, instants=instants)
        moments = _moments(kind, said, zone=zone, fold=fold, look_ahead=look_ahead)
        knowledge = Knowledge(known=known, zone=zone, fold=fold)
        question = question_of(asked, wanted, knowledge)
        tables = self.place.warehouse()
        if isinstance(run, str) and run in _BY_RUN:
            each = [replace(question, known=one) for one in moments]
            rows = _each_by_itself(each, asked, tables, run, knowledge)
        else:
            question = replace(question, vintages=tuple(moments))
            if run is not None:
                question = with_run(question, asked, tables, run, knowledge)
            rows = tables.answer(question)
        found = _met(rows, asked, where, _stored(tables, asked, wanted))
        ordered = found.sort(VINTAGE, asked.event_time, *asked.key)
        return in_zone(_labelled(ordered, kind, said, moments, asked), zone)

    def development(
        self,
        name: str,
        *,
        at: When,
        zone: Zone | None = None,
        fold: Fold | None = None,
        known: Clock = "received",
        where: Where | None = None,
    ) -> pl.DataFrame:
        """Return how what was known of one delivery developed, in order of when it was known.

        Args:
            name: A market source's name, as `catalog` lists it.
            at: An instant of the delivery: its start, or one before its end. In a table of instants
                the one observed or forecast, or any until the next, since a value holds until then.
            zone: The zone of `at`, and of the answer's instants; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.
            known: By whose clock a row is known, as in `scan`.
            where: Only rows with these values in key columns.

        Returns:
            All revisions of the delivery's rows, as `revisions` has them; of a forecast those of
            every run. In order of `known_at`.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: `at` can't be read, or `where` names no key column, or a value that no row
                has.

        >>> import energy_platform as ep
        >>> late = {"at": "2026-03-29 12:07", "zone": "Europe/Prague"}
        >>> noon = ep.development("ote_day_ahead_price", **late)
        >>> f"{noon['delivery_start'][0]:%H:%M}", noon["revision_index"].to_list()
        ('12:00', [1])
        """
        asked = _source(name)
        moment = min(instant(at, zone=zone, fold=fold, name="at"), OUR_TIME[1])
        tables = self.place.warehouse()
        condition = condition_on_key(asked, {} if where is None else where)
        first = _begun(moment, asked, tables.scan(asked.table).filter(condition))
        end = moment + timedelta(microseconds=1)
        wanted = Window(end if first is None else first, end)
        knowledge = Knowledge(known=known, zone=zone, fold=fold)
        question = replace(question_of(asked, wanted, knowledge), every_revision=True)
        holds = pl.lit(value=True)
        if asked.until is not None:
            # A revision may end the delivery sooner; the others of its key belong to it too.
            holds = (pl.col(asked.until) > moment).any().over(asked.key)
        near = Window(earlier(moment, _REACH), moment + _REACH)
        rows = tables.answer(question).filter(holds)
        found = _met(rows, asked, where, _stored(tables, asked, near))
        return in_zone(found.sort(KNOWN_AT, *asked.key, REVISION_INDEX), zone)


def _met(
    rows: pl.LazyFrame, asked: Dataset, where: Where | None, stored: pl.LazyFrame
) -> pl.DataFrame:
    """Return the rows that meet a condition on the key.

    Args:
        rows: The rows.
        asked: Their table.
        where: The condition.
        stored: All rows of that time, whenever they were known.

    Raises:
        UsageError: No stored row has a value of the condition.
    """
    if where is None:
        return rows.collect()
    found = rows.filter(condition_on_key(asked, where)).collect()
    if found.is_empty():
        require_found(asked, where, stored)
    return found


def _stored(tables: StoredTables, asked: Dataset, wanted: Window) -> pl.LazyFrame:
    """Return every revision of a window."""
    rows, time = tables.scan(asked.table), pl.col(asked.event_time)
    if wanted.start is not None:
        rows = rows.filter(time >= wanted.start)
    return rows if wanted.end is None else rows.filter(time < wanted.end)


def _each_by_itself(
    questions: Sequence[Question],
    asked: Dataset,
    tables: StoredTables,
    run: RunAsked,
    knowledge: Knowledge,
) -> pl.LazyFrame:
    """Return the answers to questions about several moments, with the number of each.

    Each is about the run that is wanted at its moment.
    """
    return pl.concat(
        tables.answer(with_run(one, asked, tables, run, knowledge)).with_columns(
            pl.lit(number, dtype=pl.Int64).alias(VINTAGE)
        )
        for number, one in enumerate(questions)
    )


def _begun(moment: datetime, asked: Dataset, rows: pl.LazyFrame) -> datetime | None:
    """Return when the first of the rows begins that hold at a moment; None if none does.

    Args:
        moment: The moment.
        asked: The table.
        rows: Every revision of its rows.
    """
    time = pl.col(asked.event_time)
    begun, near = time <= moment, time.is_between(earlier(moment, _REACH), moment + _REACH)
    first: datetime | None
    if asked.until is not None:
        # An outage lasts for months; where rows are many, none is longer than a day.
        within = near if asked.is_large else pl.lit(value=True)
        holding = rows.filter(begun, within, pl.col(asked.until) > moment)
        first = holding.select(time.min()).collect().item()
        return first
    last, following = time.filter(begun).max(), time.filter(~begun).min()
    found = rows.filter(near).select(last=last, following=following).collect()
    first, after = found.row(0)
    return first if after is not None or first == moment else None


def _source(name: str) -> Dataset:
    asked = dataset(name)
    if asked.kind == "mart":
        raise UsageError(f"{name} is a mart: it has no past and no runs, its sources do")
    return asked


def _one_kind(
    **kinds: Sequence[timedelta] | Sequence[str] | Sequence[When] | None,
) -> tuple[str, Sequence[AsOf]]:
    """Return the one kind of moments that is given, and the moments."""
    given = {kind: moments for kind, moments in kinds.items() if moments is not None}
    if len(given) != 1:
        raise UsageError(f"give one of {', '.join(kinds)}, not {' and '.join(given) or 'none'}")
    [(kind, moments)] = given.items()
    if not is_list(moments):
        raise UsageError(f"{kind} is a list of at least one moment, not {moments!r}")
    return kind, [*moments]


def _moments(
    kind: str, said: Sequence[AsOf], *, zone: Zone | None, fold: Fold | None, look_ahead: bool
) -> list[KnowledgeTime]:
    wanted = {"lead_times": timedelta, "gates": str}
    for one in said:
        if kind in wanted and not isinstance(one, wanted[kind]):
            raise UsageError(f"{kind} has no {one!r}")
        if kind == "instants" and isinstance(one, timedelta):
            raise UsageError(f"instants has no {one!r}; lead_times has")
    found = [knowledge_time(one, zone=zone, fold=fold, look_ahead=look_ahead) for one in said]
    is_gate = [not isinstance(one, LeadTime) and hasattr(one, "days_before") for one in found]
    if (kind == "gates") != all(is_gate) or (kind != "gates" and any(is_gate)):
        raise UsageError(f"{kind} has a moment of another kind: {list(said)}")
    return found


def _labelled(
    rows: pl.DataFrame,
    kind: str,
    said: Sequence[AsOf],
    moments: Sequence[KnowledgeTime],
    asked: Dataset,
) -> pl.DataFrame:
    """Return the rows with the moment that each belongs to, instead of its number."""
    event = pl.col(asked.event_time)
    as_of = EachVintage(tuple(moments), VINTAGE).known_by(event)
    labels: list[pl.Expr] = []
    if kind != "instants":
        name = _LEAD_TIME if kind == "lead_times" else _GATE
        labels = [pl.lit(pl.Series(said)).gather(pl.col(VINTAGE)).alias(name)]
    return rows.select(*labels, as_of.alias(_AS_OF), pl.exclude(VINTAGE))
