"""What is wrong at this moment, in the words of a message.

Which of it is news, and who is told, is decided in `incidents`, `book` and `delivery`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from energy_platform.operations.disk_space import DiskSpace
from energy_platform.operations.live_bus import LiveBusStatus
from energy_platform.operations.resources import Kind, Resource
from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.settings import Settings

_BRIEF: Final = timedelta(minutes=1)
_A_FEW_BATCHES: Final = timedelta(minutes=2)
_FOR_LONG: Final = timedelta(minutes=10)
_ONE_DAY: Final = timedelta(days=1)


_LOOK_AT_FOLDERS: Final = "docs/operations.md says what each folder of the home takes"
_LOOK_AT_PROCESSES: Final = (
    "energy-platform status and the metrics energy_platform_process_memory_bytes and"
    " energy_platform_process_open_files say which process has them; one that is killed comes back"
)


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
    BLOCKED = "blocked"
    DISK = "disk"
    LIVE_BUS = "live_bus"
    LANDING = "landing"
    FILES = "files"
    MEMORY = "memory"
    DESCRIPTORS = "descriptors"
    RUNS_OUT = "runs_out"
    SIGNAL = "signal"


_SHORT: Final[Mapping[Kind, tuple[Trouble, str, str]]] = {
    Kind.FILES: (Trouble.FILES, "Few more files fit on the disk of {}", _LOOK_AT_FOLDERS),
    Kind.MEMORY: (Trouble.MEMORY, "Memory is short on {}", _LOOK_AT_PROCESSES),
    Kind.DESCRIPTORS: (
        Trouble.DESCRIPTORS, "The process {} has few file descriptors left", _LOOK_AT_PROCESSES
    ),
}  # fmt: skip
"""What is told of a thing that is short, and what to do next."""
_GROWS: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.ROOM: ("The disk of {} will be full", _LOOK_AT_FOLDERS),
    Kind.FILES: ("The disk of {} will take no more files", _LOOK_AT_FOLDERS),
    Kind.MEMORY: ("No memory will be left on {}", _LOOK_AT_PROCESSES),
    Kind.DESCRIPTORS: ("The process {} will have no file descriptor left", _LOOK_AT_PROCESSES),
}
"""What is told of a thing that will be used up, and what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that is wrong now.

    Attributes:
        trouble: What is wrong.
        subject: The source or job that has the trouble.
        text: What a message says of the trouble, with what to do next.
        over: What a message says once the trouble is over.
        patience: How long the trouble must last before anyone is told.
    """

    trouble: Trouble
    subject: str
    text: str
    over: str
    patience: timedelta = timedelta()

    @property
    def key(self) -> str:
        """The identity of the condition, the same before and after a restart."""
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
    """Return every condition of these sources and runs."""
    known = list(statuses)
    wrong = [one for status in known for one in _of_source(status, settings)]
    return [*wrong, *_of_hot_copy(known), *(_of_runs(runs) for runs in failed)]


def of_disks(spaces: Iterable[DiskSpace]) -> list[Condition]:
    """Return what is wrong with the disks."""
    return [
        Condition(
            trouble=Trouble.DISK,
            subject=str(space.folder),
            text=f"The disk is nearly full: {space.told}. What lands then is lost where its market"
            " doesn't say it twice. Next: make room; docs/operations.md says what each folder of"
            " the home takes",
            over=f"There is room on the disk again: {space.told}.",
        )
        for space in spaces
        if space.is_short
    ]


def of_resources(found: Iterable[tuple[Resource, timedelta | None]]) -> list[Condition]:
    """Return what of the machine is short, or will be within a day at the pace of the last hours.

    Args:
        found: Each thing that can run out, and how long it lasts. Room that is short is told by
            `of_disks`.
    """
    return [condition for one, left in found for condition in _of_resource(one, left)]


def _of_resource(found: Resource, left: timedelta | None) -> Iterator[Condition]:
    at_this_pace = f"in {_span(_roughly(left))} at the pace of the last hours" if left else ""
    if found.kind in _SHORT and found.is_short:
        trouble, what, step = _SHORT[found.kind]
        pace = f"; none will be left {at_this_pace}" if left else ""
        yield _wrong(
            trouble,
            found.subject,
            f"{what.format(found.subject)}: {_amounts(found)}{pace}",
            step=step,
            over=f"There is enough again: {_amounts(found)} ({found.kind} of {found.subject}).",
            patience=_BRIEF,
        )
    elif left is not None and left <= _ONE_DAY:
        what, step = _GROWS[found.kind]
        yield _wrong(
            Trouble.RUNS_OUT,
            found.key,
            f"{what.format(found.subject)} {at_this_pace}: {_amounts(found)}",
            step=step,
            over=f"It lasts for longer than a day again: {_amounts(found)}"
            f" ({found.kind} of {found.subject}).",
            patience=_FOR_LONG,
        )


def _roughly(left: timedelta) -> timedelta:
    """Return a time in whole minutes, or from two hours on in whole hours."""
    unit = timedelta(hours=1) if left >= timedelta(hours=2) else timedelta(minutes=1)
    return round(left / unit) * unit


def _amounts(found: Resource) -> str:
    if found.kind in (Kind.ROOM, Kind.MEMORY):
        gib = 2.0**30
        return f"{found.used / gib:.1f} of {found.limit / gib:.1f} GiB are used"
    return f"{found.used:,.0f} of {found.limit:,.0f} are used"


def of_live_bus(status: LiveBusStatus | None) -> list[Condition]:
    """Return what is wrong with the live bus, if there is one."""
    if status is None or not status.trouble:
        return []
    return [
        _wrong(
            Trouble.LIVE_BUS,
            "live_bus",
            f"New rows have not reached the live bus for {_span(_A_FEW_BATCHES)} or longer:"
            f" {status.trouble}. No row is lost: tables and dashboards have all, and followers"
            " are told what they missed",
            step="energy-platform status, logs/live-bus.log and logs/hot-lane.log",
            over="New rows reach the live bus again.",
            patience=_A_FEW_BATCHES,
        )
    ]


def of_signals(silences: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Return which trading signals are silent that have a model."""
    return [
        _wrong(
            Trouble.SIGNAL,
            name,
            f"The trading signal {name} is silent: {'; '.join(reasons)}",
            step=f"the check of the asset {name}; docs/signals.md",
            over=f"The trading signal {name} speaks again.",
            patience=_FOR_LONG,
        )
        for name, reasons in silences.items()
        if reasons
    ]


def _of_source(status: SourceStatus, settings: Settings) -> Iterator[Condition]:
    if not status.needs:
        yield from _of_tables(status)
        yield from _of_lateness(status)
        yield from _of_feed(status)
        yield from _of_rows(status, settings)


def _of_tables(status: SourceStatus) -> Iterator[Condition]:
    name = status.name
    if status.state is SourceState.UNKNOWN:
        yield _wrong(
            Trouble.UNKNOWN,
            name,
            f"{name}: what is stored of it can't be read: {status.detail}",
            step=f"energy-platform replay {name} makes its table anew from what landed",
            over=f"{name} can be read again.",
            patience=_BRIEF,
        )
    if status.landing_damage:
        yield _wrong(
            Trouble.LANDING,
            name,
            f"{status.landing_damage}. What lands next is not affected",
            step=f"energy-platform verify {name}",
            over=f"{name}: its log goes on.",
            patience=_BRIEF,
        )
    elif status.lost_segments_lately:
        yield _wrong(
            Trouble.LANDING,
            name,
            f"{name}: {status.lost_segments_lately} files of its landing log could not be read in"
            " the last hour. A line in quarantine stands for each; all other messages go on",
            step=f"energy-platform verify {name}",
            over=f"{name}: no damaged file of its landing log was met for an hour.",
            patience=_BRIEF,
        )
    if status.batch_failures:
        yield _wrong(
            Trouble.BATCH,
            name,
            f"{name}: its newest batches failed, {status.batch_failures} in a row:"
            f" {status.batch_error}. What landed is kept, and is tried again",
            step=f"energy-platform history {name}",
            over=f"{name}: its batches succeed again.",
            patience=_BRIEF,
        )
    if status.blocked:
        yield _wrong(
            Trouble.BLOCKED,
            name,
            f"{name} is blocked {status.blocked}. What landed is kept",
            step=f"energy-platform history {name}; if that message is the cause, energy-platform"
            f" quarantine --skip {name} {status.committed_offset} sets it aside",
            over=f"{name} is no longer blocked.",
        )


def _of_lateness(status: SourceStatus) -> Iterator[Condition]:
    name = status.name
    lag = timedelta(seconds=status.expected_lag_seconds)
    last_event = f"last event {_instant(status.last_event_at)}"
    if status.late is not None:
        yield _wrong(
            Trouble.LATE,
            name,
            f"{name} is late since {_instant(status.late.since)}: {status.late.missing} not there"
            f" (expected lag {_span(lag)}, {last_event})",
            step="energy-platform status",
            over=f"{name} is on time again ({last_event}).",
            patience=_BRIEF,
        )
    if status.state is SourceState.WAITING:
        yield _wrong(
            Trouble.SILENT,
            name,
            f"{name} has never brought anything (expected lag {_span(lag)})",
            step="energy-platform status, and the collector's log",
            over=f"{name} flows.",
            patience=max(lag, _FOR_LONG) + (_ONE_DAY if status.is_daily else timedelta()),
        )


def _of_feed(status: SourceStatus) -> Iterator[Condition]:
    name = status.name
    if status.state in (SourceState.BACKING_OFF, SourceState.FENCED):
        yield _wrong(
            Trouble.FEED,
            name,
            f"{name}: its feed is {status.state} for {_span(_FOR_LONG)} or longer:"
            f" {status.detail} (last event {_instant(status.last_event_at)})",
            step="energy-platform status, and the collector's log",
            over=f"{name}: its feed runs again.",
            patience=_FOR_LONG,
        )
    if status.unanswered:
        yield _wrong(
            Trouble.UNANSWERED,
            name,
            f"{name}: {status.told_unanswered}. They are asked again, ever more slowly, and the"
            " others go on",
            step="energy-platform status",
            over=f"{name}: all its questions are answered again.",
        )


def _of_rows(status: SourceStatus, settings: Settings) -> Iterator[Condition]:
    name = status.name
    if _too_many_refused(status, settings):
        yield _wrong(
            Trouble.QUARANTINE,
            name,
            f"{name}: {status.refused_lately:,} of {status.rows_lately:,} rows of the last hour"
            f" are in quarantine ({status.quarantine_rate:.0%})",
            step=f"energy-platform quarantine {name}",
            over=f"{name}: its rows pass the checks again.",
        )
    if status.drift:
        yield _wrong(
            Trouble.DRIFT,
            name,
            f"{name}: its layout has drifted: {'; '.join(status.drift)}",
            step=f"energy-platform layout {name}",
            over=f"{name} has its accepted layout.",
        )


def _wrong(  # noqa: PLR0913 (a message has these parts)
    trouble: Trouble,
    subject: str,
    fact: str,
    *,
    step: str,
    over: str,
    patience: timedelta = timedelta(),
) -> Condition:
    text = f"{fact}. Next: {step}"
    return Condition(trouble=trouble, subject=subject, text=text, over=over, patience=patience)


def _too_many_refused(status: SourceStatus, settings: Settings) -> bool:
    return (
        status.refused_lately >= settings.alert_quarantine_rows
        and (status.quarantine_rate or 0.0) * 100 > settings.alert_quarantine_percent
    )


def _of_hot_copy(statuses: Iterable[SourceStatus]) -> Iterator[Condition]:
    """Report all sources in one condition, since they share the hot store."""
    behind = [status for status in statuses if status.hot_copy_behind]
    if not behind:
        return
    first = behind[0]
    sources = "source" if len(behind) == 1 else "sources"
    yield _wrong(
        Trouble.HOT_COPY,
        "hot_store",
        f"The hot copy of {len(behind)} {sources} is behind for {_span(_A_FEW_BATCHES)} or"
        f" longer, so that dashboards are ({first.name}: {first.hot_copy_behind}). No row is lost,"
        " and it catches up by itself",
        step="energy-platform status, logs/hot-lane.log, and the hot store's own log",
        over="The hot copies have caught up.",
        patience=_A_FEW_BATCHES,
    )


def _of_runs(runs: FailedRuns) -> Condition:
    times = "A run" if runs.count == 1 else f"{runs.count} runs"
    return _wrong(
        Trouble.RUN,
        runs.job,
        f"{times} of {runs.job} failed, the last at {_instant(runs.last_at)}: {runs.last_error}",
        step="the run's page in the Dagster UI",
        over=f"No run of {runs.job} has failed lately.",
    )


def _instant(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes / 60:g} h" if minutes >= 120 else f"{minutes:g} min"  # noqa: PLR2004 (two hours)
