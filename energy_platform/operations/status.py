"""How every market source is doing: what landed, what was stored, how late it is, what drifts.

A source is blocked if its batches fail again and again at one offset while more has landed.

If one source's tables or logs can't be read, that source is in the state UNKNOWN, with the reason,
and the other sources are reported as usual. The report as a whole fails only if something that all
sources share is unavailable, such as the warehouse.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from polars.exceptions import PanicException

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.ingest.collector.service import feed_statuses
from energy_platform.ingest.collector.source_task import FeedState, FeedStatus
from energy_platform.ingest.session import missing_environment
from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.market.clock import MarketClock
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.market.timeliness import (
    Lateness,
    lateness,
    newest_moment,
    next_expected,
)
from energy_platform.operations.batch_history import BatchHistory, SourceLately
from energy_platform.pipeline.hot_lane.announcements import announcements
from energy_platform.pipeline.micro_batch import BATCH, MicroBatches
from energy_platform.pipeline.stores import open_leases
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import Settings
from energy_platform.storage.leases import LeaseStoreError, owners

_log = logging.getLogger(__name__)

_OWN_LAG: Final = timedelta(minutes=1)
"""The longest that a poll, a tick and a run take together by the wall clock, when all is well."""

_BLOCKED_AFTER: Final = 3
"""After how many attempts that failed one after another a source is blocked."""

_NAMED: Final = 3
"""How many unanswered questions one line names, each with its reason."""


class SourceState(StrEnum):
    """A source's state in one word; a feed in trouble is reported before a late source."""

    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    NEEDS = "needs"
    BACKING_OFF = "backing off"
    FENCED = "fenced"
    WAITING = "waiting"
    LATE = "late"
    FLOWING = "flowing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One market source's state; a value that is not known is None.

    Attributes:
        landed_offset: The offset at which its landing log ends.
        committed_offset: The offset up to which the warehouse holds the log.
        rows: Rows in the warehouse, every revision counted.
        last_event_at: The newest moment that the platform knows of: the newest row's event time,
            or when the row was received, for forecasts and other rows about the future.
        last_received_at: When the newest row was received, by the wall clock.
        next_expected_at: When newer values are expected, in market time.
        lag_seconds: How long ago that moment was, in market time.
        expected_lag_seconds: How large the lag may be, or how long after a publication's time
            the values are due.
        is_daily: Whether values are due once a day.
        late: Since when the source is late and what is missing; None while it is on time.
        quarantined: Rows and messages in quarantine.
        rows_lately: Rows and messages that were checked in the last hour.
        refused_lately: How many of those rows and messages went to quarantine.
        quarantine_rate: Their share, 0 to 1; None if nothing was checked.
        drift: How its newest batch differs from the accepted layout.
        needs: Environment variables that are missing.
        detail: The feed's last error in one line, or why the state is unknown.
        hot_offset: Up to where the hot copy shows it.
        announced_offset: Up to where its rows are on the live bus; None where there is none.
        hot_copy_behind: Why the hot copy lacks rows that the warehouse has; empty if it has all.
        unanswered: The questions that the provider does not answer while it answers others, each
            with the reason.
        questions: How many questions the feed asks.
        owner: The collector that runs its feed, as host:pid; empty if none does, or if the leases
            can't be read.
        batch_failures: How many of its newest batches in a row have failed.
        batch_error: Why the newest batch failed; empty if it did not.
        landing_damage: Which newest file of its log is damaged or missing; empty if none is.
        lost_segments: How many files of its log batches could not read in the last 90 days.
        lost_segments_lately: How many of them in the last hour.
        blocked: Where and why no batch makes progress; empty if batches do, or nothing waits.
    """

    name: str
    protocol: str
    group: str
    landed_offset: int | None = None
    committed_offset: int | None = None
    rows: int | None = None
    last_event_at: datetime | None = None
    last_received_at: datetime | None = None
    next_expected_at: datetime | None = None
    lag_seconds: float | None = None
    expected_lag_seconds: float
    is_daily: bool
    late: Lateness | None = None
    quarantined: int | None = None
    rows_lately: int
    refused_lately: int
    quarantine_rate: float | None
    drift: tuple[str, ...]
    state: SourceState = SourceState.UNKNOWN
    needs: list[str] = field(default_factory=list)
    detail: str
    hot_offset: int | None = None
    announced_offset: int | None = None
    hot_copy_behind: str = ""
    batch_failures: int = 0
    batch_error: str = ""
    landing_damage: str = ""
    lost_segments: int = 0
    lost_segments_lately: int = 0
    blocked: str = ""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    questions: int = 0
    owner: str = ""

    @property
    def told_unanswered(self) -> str:
        """The unanswered questions in one line; empty if all are answered."""
        if not self.unanswered:
            return ""
        named = [f"{name} ({why})" for name, why in self.unanswered.items()][:_NAMED]
        more = len(self.unanswered) - len(named)
        of = f" of {self.questions}" if self.questions >= len(self.unanswered) else ""
        return (
            f"no answer to {len(self.unanswered)}{of} questions: {'; '.join(named)}"
            f"{f'; and {more} more' if more else ''}"
        )


def source_statuses(settings: Settings, batches: MicroBatches) -> list[SourceStatus]:
    """Return every market source's status, in alphabetical order.

    Raises:
        WarehouseUnavailableError: No source's tables can be read.
    """
    feeds = feed_statuses(settings.state)
    lately = _lately(settings)
    announced = announcements(settings.home).offsets
    owned = _owners(settings)
    clock = market_clock(settings)
    statuses = [
        _status_or_unknown(
            source,
            settings,
            batches,
            clock=clock,
            feed=feeds.get(source.name, FeedStatus()),
            lately=lately.get(source.name, SourceLately()),
            owner=owned.get(source.name, ""),
        )
        for source in market_sources().values()
    ]
    statuses = [replace(one, announced_offset=announced.get(one.name)) for one in statuses]
    played_back = _played_back(settings)
    return [_never_late(one) if one.name in played_back else one for one in statuses]


def _played_back(settings: Settings) -> frozenset[str]:
    """Return the sources whose test cases a simulated market plays back."""
    try:
        simulated = SimulatedMarket.of(settings)
        return simulated.played_back() if simulated else frozenset()
    except ValueError:
        _log.exception("the simulated market's addresses can't be read")
        return frozenset()


def _never_late(status: SourceStatus) -> SourceStatus:
    """Return the status of a source that plays back test cases, whose rows bear old dates."""
    state = SourceState.FLOWING if status.state is SourceState.LATE else status.state
    return replace(status, late=None, state=state)


def market_clock(settings: Settings) -> MarketClock:
    """Return the simulated market's clock, or a market clock that shows the wall's time."""
    try:
        simulated = SimulatedMarket.of(settings)
        clock = simulated and simulated.clock()
    except ValueError:
        _log.exception("the simulated market's clock can't be read: lag is counted by the wall's")
        clock = None
    now = datetime.now(UTC)
    return clock or MarketClock(origin=now, started_at=now)


def _owners(settings: Settings) -> Mapping[str, str]:
    """Return which collector owns each source; nothing if the leases can't be read."""
    try:
        return owners(open_leases(settings))
    except LeaseStoreError as error:
        _log.warning("which collector owns what is not known: %s", error)
        return {}


def _lately(settings: Settings) -> Mapping[str, SourceLately]:
    """Return what each source's batches reported in the last hour; nothing if it can't be read."""
    try:
        return BatchHistory(settings.state).lately()
    except Exception:  # noqa: BLE001 (a status is useful without them)
        _log.exception("what the batches of the last hour said can't be read")
        return {}


def _status_or_unknown(  # noqa: PLR0913 (see `_status`)
    source: MarketSource,
    settings: Settings,
    batches: MicroBatches,
    *,
    clock: MarketClock,
    feed: FeedStatus,
    lately: SourceLately,
    owner: str,
) -> SourceStatus:
    """Return a source's status, or the state UNKNOWN with the reason."""
    try:
        status = _status(
            source, settings, batches, clock=clock, feed=feed, lately=lately, owner=owner
        )
    except WarehouseUnavailableError:
        raise
    except (Exception, PanicException) as error:  # noqa: BLE001 (only this source is unknown)
        said = str(error).splitlines() or [""]
        reason = f"{type(error).__name__}: {said[0]}"
        status = replace(_heard_of(source, feed, lately), detail=reason)
    return replace(status, owner=owner)


def _status(  # noqa: PLR0913 (a status is put together from everything known)
    source: MarketSource,
    settings: Settings,
    batches: MicroBatches,
    *,
    clock: MarketClock,
    feed: FeedStatus,
    lately: SourceLately,
    owner: str,
) -> SourceStatus:
    summary = batches.warehouse.summary(market_table(source))
    # `received_at` was read from the wall clock; lag is counted on the market's clock.
    received_at = summary.last_received_at and clock.at(summary.last_received_at)
    newest = newest_moment(source, summary.last_event_at, received_at)
    now = clock.now()
    # In a market that runs faster, the platform still takes its minute by the wall clock.
    late = lateness(
        source, summary.last_event_at, received_at, now - _OWN_LAG * max(0.0, clock.speed - 1)
    )
    # Another machine's collector may have what this environment lacks.
    needs = [] if owner else missing_environment(source, settings)
    hot = batches.hot_copies.reach(source, summary.committed_offset)
    log = batches.landing.log(source.name)
    landed = log.end_offset(taken=summary.committed_offset)
    blocked = _blocked(source, batches, range(summary.committed_offset, landed), lately)
    return replace(
        _heard_of(source, feed, lately),
        landed_offset=landed,
        landing_damage=log.damage,
        committed_offset=summary.committed_offset,
        rows=summary.rows,
        last_event_at=newest,
        last_received_at=summary.last_received_at,
        next_expected_at=next_expected(source, summary.last_event_at, received_at),
        lag_seconds=(now - newest).total_seconds() if newest else None,
        late=late,
        quarantined=batches.warehouse.summary(quarantine_table(source)).rows,
        state=SourceState.BLOCKED if blocked else _state(feed, needs, newest, late),
        needs=needs,
        hot_offset=hot.offset,
        hot_copy_behind=hot.behind,
        blocked=blocked,
    )


def _blocked(
    source: MarketSource, batches: MicroBatches, waiting: range, lately: SourceLately
) -> str:
    """Return where and why no batch makes progress; empty if batches do, or nothing waits."""
    if not waiting:
        return ""
    trouble = batches.attempts.trouble(source.name, by=BATCH)
    died = trouble.failed if trouble is not None and trouble.start == waiting.start else 0
    if max(died, lately.failures) < _BLOCKED_AFTER:
        return ""
    why = lately.error if lately.failures else f"{died} processes died that took it"
    return f"at offset {waiting.start:,}, with {len(waiting):,} messages waiting: {why}"


def _heard_of(source: MarketSource, feed: FeedStatus, lately: SourceLately) -> SourceStatus:
    """Return what the feed and the newest batches say of a source, without its tables."""
    return SourceStatus(
        name=source.name,
        protocol=source.feed.protocol,
        group=source.group,
        expected_lag_seconds=source.expected_lag.total_seconds(),
        is_daily=source.publication is not None,
        rows_lately=lately.rows,
        refused_lately=lately.refused,
        quarantine_rate=lately.refused / lately.rows if lately.rows else None,
        drift=lately.drift,
        detail=feed.detail,
        batch_failures=lately.failures,
        batch_error=lately.error,
        lost_segments=lately.lost_segments,
        lost_segments_lately=lately.lost_segments_lately,
        unanswered=feed.unanswered,
        questions=feed.questions,
    )


def _state(
    feed: FeedStatus, needs: list[str], newest: datetime | None, late: Lateness | None
) -> SourceState:
    if needs:
        return SourceState.NEEDS
    if feed.state in (FeedState.BACKING_OFF, FeedState.FENCED):
        return SourceState(feed.state)
    if newest is None:
        return SourceState.WAITING
    return SourceState.LATE if late else SourceState.FLOWING
