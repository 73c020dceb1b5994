"""What is wrong at this moment, in the words of a message; what is news is decided elsewhere."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.settings import Settings

_BRIEF: Final = timedelta(minutes=1)
_A_FEW_BATCHES: Final = timedelta(minutes=2)
_FOR_LONG: Final = timedelta(minutes=10)
_ONE_DAY: Final = timedelta(days=1)


class Trouble(StrEnum):
    """What can be wrong."""

    LATE = "late"
    FEED = "feed"
    UNANSWERED = "unanswered"
    SILENT = "silent"
    QUARANTINE = "quarantine"
    DRIFT = "drift"
    HOT_COPY = "hot_copy"
    RUN = "run"
    UNKNOWN = "unknown"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that is wrong now.

    Attributes:
        trouble: What is wrong.
        subject: With which source or job.
        text: What a message says of it, with what to do next.
        over: What a message says once it is over.
        patience: How long it has to last before anyone is told.
    """

    trouble: Trouble
    subject: str
    text: str
    over: str
    patience: timedelta = timedelta()

    @property
    def key(self) -> str:
        """What tells it from others, also over a restart."""
        return f"{self.trouble}:{self.subject}"


@dataclass(frozen=True, slots=True)
class FailedRuns:
    """The runs of a job that failed lately."""

    job: str
    count: int
    last_at: datetime
    last_error: str


def conditions(
    statuses: Iterable[SourceStatus], failed: Iterable[FailedRuns], settings: Settings
) -> list[Condition]:
    """Return all that is wrong with these sources and runs."""
    known = list(statuses)
    wrong = [one for status in known for one in _of_source(status, settings)]
    return [*wrong, *_of_hot_copy(known), *(_of_runs(runs) for runs in failed)]


def _of_source(status: SourceStatus, settings: Settings) -> Iterator[Condition]:
    if status.needs:
        return
    name = status.name
    if status.state is SourceState.UNKNOWN:
        yield Condition(
            trouble=Trouble.UNKNOWN,
            subject=name,
            text=f"{name}: what is stored of it can't be read: {status.detail}."
            f" Next: energy-platform replay {name} makes its table anew from what landed",
            over=f"{name} can be read again.",
            patience=_BRIEF,
        )
    if status.batch_failures:
        yield Condition(
            trouble=Trouble.BATCH,
            subject=name,
            text=f"{name}: its newest batches failed, {status.batch_failures} in a row:"
            f" {status.batch_error}. What landed is kept, and is tried again."
            f" Next: energy-platform history {name}",
            over=f"{name}: its batches succeed again.",
            patience=_BRIEF,
        )
    lag = timedelta(seconds=status.expected_lag_seconds)
    if status.late is not None:
        yield Condition(
            trouble=Trouble.LATE,
            subject=name,
            text=f"{name} is late since {_instant(status.late.since)}: {status.late.missing} not"
            f" there (expected lag {_span(lag)}, last event {_instant(status.last_event_at)})."
            " Next: energy-platform status",
            over=f"{name} is on time again (last event {_instant(status.last_event_at)}).",
            patience=_BRIEF,
        )
    if status.state in (SourceState.BACKING_OFF, SourceState.FENCED):
        yield Condition(
            trouble=Trouble.FEED,
            subject=name,
            text=f"{name}: its feed is {status.state} for {_span(_FOR_LONG)} or longer:"
            f" {status.detail} (last event {_instant(status.last_event_at)})."
            " Next: energy-platform status, and the collector's log",
            over=f"{name}: its feed runs again.",
            patience=_FOR_LONG,
        )
    if status.unanswered:
        yield Condition(
            trouble=Trouble.UNANSWERED,
            subject=name,
            text=f"{name}: {status.told_unanswered}. They are asked again, ever more slowly, and"
            " the others go on. Next: energy-platform status",
            over=f"{name}: all its questions are answered again.",
        )
    if status.state is SourceState.WAITING:
        yield Condition(
            trouble=Trouble.SILENT,
            subject=name,
            text=f"{name} has never brought anything (expected lag {_span(lag)})."
            " Next: energy-platform status, and the collector's log",
            over=f"{name} flows.",
            patience=max(lag, _FOR_LONG) + (_ONE_DAY if status.is_daily else timedelta()),
        )
    if _too_many_refused(status, settings):
        yield Condition(
            trouble=Trouble.QUARANTINE,
            subject=name,
            text=f"{name}: {status.refused_lately:,} of {status.rows_lately:,} rows of the last"
            f" hour are in quarantine ({status.quarantine_rate:.0%})."
            f" Next: energy-platform quarantine {name}",
            over=f"{name}: its rows pass the checks again.",
        )
    if status.drift:
        yield Condition(
            trouble=Trouble.DRIFT,
            subject=name,
            text=f"{name}: its layout has drifted: {'; '.join(status.drift)}."
            f" Next: energy-platform layout {name}",
            over=f"{name} has its accepted layout.",
        )


def _too_many_refused(status: SourceStatus, settings: Settings) -> bool:
    return (
        status.refused_lately >= settings.alert_quarantine_rows
        and (status.quarantine_rate or 0.0) * 100 > settings.alert_quarantine_percent
    )


def _of_hot_copy(statuses: Iterable[SourceStatus]) -> Iterator[Condition]:
    """Tell of all sources at once: what they have in common is the store."""
    behind = [status for status in statuses if status.hot_copy_behind]
    if not behind:
        return
    first = behind[0]
    sources = "source" if len(behind) == 1 else "sources"
    yield Condition(
        trouble=Trouble.HOT_COPY,
        subject="hot_store",
        text=f"The hot copy of {len(behind)} {sources} is behind for {_span(_A_FEW_BATCHES)} or"
        f" longer, so that dashboards are ({first.name}: {first.hot_copy_behind}). No row is lost,"
        " and it catches up by itself. Next: energy-platform status, and the hot store's own log",
        over="The hot copies have caught up.",
        patience=_A_FEW_BATCHES,
    )


def _of_runs(runs: FailedRuns) -> Condition:
    times = "A run" if runs.count == 1 else f"{runs.count} runs"
    return Condition(
        trouble=Trouble.RUN,
        subject=runs.job,
        text=f"{times} of {runs.job} failed, the last at {_instant(runs.last_at)}:"
        f" {runs.last_error}. Next: the run's page in the Dagster UI",
        over=f"No run of {runs.job} has failed lately.",
    )


def _instant(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes / 60:g} h" if minutes >= 120 else f"{minutes:g} min"  # noqa: PLR2004 (two hours)
