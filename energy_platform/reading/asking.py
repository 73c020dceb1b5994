"""Turns what a reader asks for into a `Question`: times, moments of knowledge, clocks, runs.

Each family of questions has its own module and its own arguments; what they share is read here, so
that an argument means the same everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from inspect import Parameter, signature
from typing import Any, Final, Literal, TypedDict, TypeVar

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import (
    AsOf,
    DailyMoment,
    KnowledgeTime,
    KnownAt,
    LeadTime,
    knowledge_time,
)
from energy_platform.history.question import Question, Run
from energy_platform.history.revisions import RUN
from energy_platform.history.runs import judged, wanted_spans
from energy_platform.market.instants import OUR_TIME, utc
from energy_platform.market.wall_clock import Fold, When, Window, Zone, instant, window
from energy_platform.reading.dataset import Dataset
from energy_platform.reading.place import Missing
from energy_platform.storage.warehouse.protocol import ReadableWarehouse

Clock = Literal["received", "published"]
"""By whose clock a row is known: from when this platform received it, or from when its provider had
published it."""

RunAsked = When | Literal["latest", "latest_complete", "latest_each"]
"""A run by its reference time; the newest one; the newest complete one; or for each valid time the
newest run that has it, which are several."""

Function = TypeVar("Function", bound=Callable[..., Any])

COMPARED: Final = timedelta(days=14)
"""How long before the wanted runs others are read, to tell which runs are complete."""

NAMED_RUNS: Final = ("latest", "latest_complete", "latest_each")
"""The runs that need no reference time."""


class Asked(TypedDict, total=False):
    """The arguments that `scan` takes after the name; `Rows.scan` says what each means."""

    start: When | None
    end: When | None
    day: When | None
    month: When | None
    zone: Zone | None
    fold: Fold | None
    as_of: AsOf | None
    run: RunAsked | None
    known: Clock
    look_ahead: bool
    missing: Missing


def taking_all_of(shared: Callable[..., Any]) -> Callable[[Function], Function]:
    """Show whoever completes a call the arguments of `shared`, instead of `asked`.

    Args:
        shared: The function to which the decorated one passes `asked` on.
    """

    def show(function: Function) -> Function:
        own = signature(function)
        kept = [one for one in own.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        passed_on = [
            one
            for one in signature(shared).parameters.values()
            if one.kind is Parameter.KEYWORD_ONLY and one.name not in own.parameters
        ]
        told = own.replace(parameters=[*kept, *passed_on])
        setattr(function, "__signature__", told)  # noqa: B010 (unknown to the type checker)
        return function

    return show


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What may be known.

    Attributes:
        as_of: By when; now, if None.
        known: By whose clock.
        look_ahead: Whether a moment may lie after the beginning of the delivery.
        zone: Whose clocks a time without a zone of its own means.
        fold: Which one is meant of two times that the clocks show alike.
    """

    as_of: AsOf | None = None
    known: Clock = "received"
    look_ahead: bool = False
    zone: Zone | None = None
    fold: Fold | None = None

    @property
    def moment(self) -> KnowledgeTime | None:
        """The moment by which a row had to be known; None for now.

        Raises:
            UsageError: `as_of` has none of its forms, or looks ahead.
        """
        if self.as_of is None:
            return None
        return knowledge_time(
            self.as_of, zone=self.zone, fold=self.fold, look_ahead=self.look_ahead
        )


def question_of(asked: Dataset, wanted: Window, knowledge: Knowledge) -> Question:
    """Return the question about every run of a market source.

    Raises:
        UsageError: `known` is no clock, or `as_of` no moment.
    """
    if knowledge.known not in ("received", "published"):
        raise UsageError(f'known is "received" or "published", not {knowledge.known!r}')
    return Question(
        table=asked.table,
        revision=asked.revision,
        start=wanted.start,
        end=wanted.end,
        known=knowledge.moment,
        facts_stay=not asked.facts_move,
        published=asked.knowable_from if knowledge.known == "published" else None,
    )


def question_asked(about: Dataset, asked: Asked) -> Question:
    """Return the question that the arguments of `scan` ask, alike for all ways to say the same.

    A run that `with_run` would look for is left out.

    Raises:
        UsageError: An argument is none of its forms.
    """
    zone, fold = asked.get("zone"), asked.get("fold")
    wanted = window(
        start=asked.get("start"),
        end=asked.get("end"),
        day=asked.get("day"),
        month=asked.get("month"),
        zone=zone,
        fold=fold,
    )
    knowledge = Knowledge(
        as_of=asked.get("as_of"),
        known=asked.get("known", "received"),
        look_ahead=asked.get("look_ahead", False),
        zone=zone,
        fold=fold,
    )
    question, run = question_of(about, wanted, knowledge), asked.get("run")
    if run is None:
        return question
    require_runs(about)
    return question if is_named(run) else replace(question, run=_reference_time(run, knowledge))


def is_named(run: RunAsked | None) -> bool:
    """Return whether a run is asked for that is not known by its reference time."""
    return isinstance(run, str) and run in NAMED_RUNS


def with_run(
    question: Question,
    asked: Dataset,
    warehouse: ReadableWarehouse,
    run: RunAsked,
    knowledge: Knowledge,
) -> Question:
    """Return a question about one run of a forecast, or about the one wanted at each moment.

    Raises:
        UsageError: The source has no runs, `run` is none, or no run is complete.
    """
    require_runs(asked)
    if not is_named(run):
        return replace(question, run=_reference_time(run, knowledge))
    if run == "latest_each":
        return replace(question, run="latest_each")
    return replace(question, run=_newest(question, asked, warehouse, complete=run != "latest"))


def require_present(about: Dataset, asked: Asked) -> None:
    """Refuse to ask for the past of a mart.

    Raises:
        UsageError: It is asked for.
    """
    of_now = asked.get("as_of") is None and asked.get("run") is None
    if about.kind == "mart" and not (of_now and asked.get("known", "received") == "received"):
        raise UsageError(f"{about.name} is a mart: it has no past and no runs, its sources do")


def require_runs(asked: Dataset) -> None:
    """Refuse a table that is no forecast.

    Raises:
        UsageError: It has no runs.
    """
    if not asked.has_runs:
        raise UsageError(f"{asked.name} is no forecast, so it has no runs")


def runs_of(
    question: Question, asked: Dataset, warehouse: ReadableWarehouse, wanted: Window
) -> pl.DataFrame:
    """Return the runs of a forecast, judged, whose reference times are in a window.

    Args:
        question: Whose knowledge counts; its window doesn't.
        asked: The forecast.
        warehouse: Where its rows are.
        wanted: The window. Earlier runs are read too, for comparison.
    """
    # No run is for an instant before its reference time.
    first = None if wanted.start is None else earlier(wanted.start, COMPARED)
    every = replace(question, start=first, end=None, run=None, vintages=(), every_revision=False)
    found = warehouse.run_summaries(every).collect()
    if first is not None:
        found = found.filter(pl.col(RUN) >= first)  # of earlier ones a part was read
    runs = judged(found, asked.whole_run)
    if wanted.start is not None:
        runs = runs.filter(pl.col(RUN) >= wanted.start)
    return runs if wanted.end is None else runs.filter(pl.col(RUN) < wanted.end)


def _reference_time(run: object, knowledge: Knowledge) -> Run:
    if isinstance(run, date | str):
        try:
            return instant(run, zone=knowledge.zone, fold=knowledge.fold, name="run")
        except UsageError as error:
            if not isinstance(run, str) or run[:1].isdigit():
                raise
            raise UsageError(f"{_no_run(run)}; {error}") from None
    raise UsageError(_no_run(run))


def _no_run(run: object) -> str:
    return f"run is a reference time or one of {', '.join(NAMED_RUNS)}, not {run!r}"


def _newest(
    question: Question, asked: Dataset, warehouse: ReadableWarehouse, *, complete: bool
) -> Run:
    """Return the newest run at each moment of knowledge, or the newest complete one."""
    since = "complete_at" if complete else "first_known_at"
    runs = _candidates(question, asked, warehouse)
    if complete and not runs.is_empty() and runs[since].null_count() == runs.height:
        size, expected = runs.select("value_count", "expected_values").row(-1)
        raise UsageError(
            f"no run of {asked.name} is known to be complete: the newest has {size} values of"
            f" {expected or 'an unknown number'}; see `runs`"
        )
    if isinstance(question.known, LeadTime | DailyMoment):
        return wanted_spans(runs, since)
    ready = runs.filter(pl.col(since).is_not_null())
    newest = ready[RUN].max()
    return () if newest is None else newest  # type: ignore[return-value]  # an instant


def _candidates(question: Question, asked: Dataset, warehouse: ReadableWarehouse) -> pl.DataFrame:
    """Return the runs that may be wanted; the last weeks' at first, since most tables are long."""
    if isinstance(question.known, LeadTime | DailyMoment):
        # At each moment one run is wanted, whether or not it reaches that far.
        known = replace(question, known=None)
        if question.start is None:
            return runs_of(known, asked, warehouse, Window())
        first = earlier(question.start, _ahead(question.known) + COMPARED)
        return runs_of(known, asked, warehouse, Window(first, question.end))
    last = _last_moment(question, asked, warehouse)
    if last is not None:
        lately = Window(earlier(last, COMPARED))
        runs = _reaching(question, runs_of(question, asked, warehouse, lately))
        if not runs.is_empty():
            return runs
    return _reaching(question, runs_of(question, asked, warehouse, Window()))


def _reaching(question: Question, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs that have a value in the question's window, or around it."""
    if question.start is not None:
        runs = runs.filter(pl.col("last_valid_at") >= question.start)
    return runs if question.end is None else runs.filter(pl.col("first_valid_at") < question.end)


def _last_moment(
    question: Question, asked: Dataset, warehouse: ReadableWarehouse
) -> datetime | None:
    """Return a moment after which no wanted run begins, if one is known without reading rows."""
    moments = [warehouse.summary(asked.table).last_received_at, question.end]
    if isinstance(question.known, KnownAt):
        moments.append(question.known.instant)
    return min((utc(moment) for moment in moments if moment is not None), default=None)


def _ahead(known: LeadTime | DailyMoment) -> timedelta:
    if isinstance(known, LeadTime):
        return max(known.ahead, timedelta())
    return timedelta(days=known.days_before + 2)


def earlier(moment: datetime, span: timedelta) -> datetime:
    """Return a moment before another one, but none before all that the platform knows."""
    return max(OUR_TIME[0] + span, moment) - span
