"""How a table came to say what it says: every revision, vintages, and one delivery over time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

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
from energy_platform.market.wall_clock import Fold, When, Window, Zone, in_zone, instant, window
from energy_platform.reading.asking import Clock, Knowledge, RunAsked, question_of, with_run
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.where import Where, condition

_AS_OF = "as_of"
_LEAD_TIME = "lead_time"
_GATE = "gate"


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
            UsageError: A time can't be read, `where` names no key column, or a mart is asked for,
                which has no revisions.

        >>> import energy_platform as ep
        >>> log = ep.revisions("ote_day_ahead_price", day="2026-03-29", zone="Europe/Prague")
        >>> log.columns[-4:]
        ['known_at', 'known_basis', 'revision_index', 'superseded_at']
        """
        asked = _source(name)
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        knowledge = Knowledge(as_of=as_of, known=known, look_ahead=look_ahead, zone=zone, fold=fold)
        question = replace(question_of(asked, wanted, knowledge), every_revision=True)
        found = self._answer(question, asked, run, knowledge, where)
        ordered = found.sort(asked.event_time, *asked.key, REVISION_INDEX)
        return in_zone(ordered.collect(), zone)

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
            run: Of a forecast only this run; "latest_each" is, for each moment and valid time, the
                newest run that had it.
            known: By whose clock a row is known, as in `scan`.
            look_ahead: Whether a moment may lie after the beginning of a delivery.
            where: Only rows with these values in key columns.

        Returns:
            The rows that `load` has for each moment, in order of the moments, event time and key.
            `as_of` is the instant by which the row had to be known; `lead_time` or `gate` says
            which moment was meant, if it depends on the row.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: Not exactly one kind of moments is given, one of them looks ahead, or the
                newest run is asked for, which is another one at each moment.

        >>> import energy_platform as ep
        >>> from datetime import timedelta
        >>> hours = [timedelta(hours=1), timedelta(hours=24)]
        >>> ep.vintages("ote_intraday_price", lead_times=hours).columns[:2]
        ['lead_time', 'as_of']
        """
        asked = _source(name)
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        kind, said = _one_kind(lead_times=lead_times, gates=gates, instants=instants)
        moments = _moments(kind, said, zone=zone, fold=fold, look_ahead=look_ahead)
        if run in ("latest", "latest_complete"):
            raise UsageError(
                f"the {run} run is another one at each moment: ask `load` for each of them,"
                ' or vintages with run="latest_each"'
            )
        knowledge = Knowledge(known=known, zone=zone, fold=fold)
        question = replace(question_of(asked, wanted, knowledge), vintages=tuple(moments))
        found = self._answer(question, asked, run, knowledge, where)
        ordered = found.sort(VINTAGE, asked.event_time, *asked.key)
        return in_zone(_labelled(ordered.collect(), kind, said, moments, asked), zone)

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
            at: The event time of the delivery: its start, the instant observed or forecast.
            zone: The zone of `at`, and of the answer's instants; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.
            known: By whose clock a row is known, as in `scan`.
            where: Only rows with these values in key columns.

        Returns:
            All revisions of the delivery's rows, as `revisions` has them; of a forecast those of
            every run. In order of `known_at`.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: `at` can't be read, or `where` names no key column.

        >>> import energy_platform as ep
        >>> ep.development("ote_intraday_price", at="2026-03-29 12:00", zone="Europe/Prague").height
        1
        """
        asked = _source(name)
        moment = instant(at, zone=zone, fold=fold, name="at")
        wanted = Window(moment, moment + timedelta(microseconds=1))
        knowledge = Knowledge(known=known, zone=zone, fold=fold)
        question = replace(question_of(asked, wanted, knowledge), every_revision=True)
        found = self._answer(question, asked, None, knowledge, where)
        return in_zone(found.sort(KNOWN_AT, *asked.key, REVISION_INDEX).collect(), zone)

    def _answer(
        self,
        question: Question,
        asked: Dataset,
        run: RunAsked | None,
        knowledge: Knowledge,
        where: Where | None,
    ) -> pl.LazyFrame:
        warehouse = self.place.warehouse()
        if run is not None:
            question = with_run(question, asked, warehouse, run, knowledge)
        return warehouse.answer(question).filter(condition(asked, where or {}))


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
    if isinstance(moments, str) or not moments:
        raise UsageError(f"{kind} is a list of at least one moment, not {moments!r}")
    return kind, moments


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
