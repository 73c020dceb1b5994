"""How every market source is doing: what landed, what was stored, how late it is, what drifts.

A source of which something can't be read is in the state UNKNOWN, with the reason; the others are
told of as ever. Only what all sources share, such as a warehouse that is away, fails the whole.
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
from energy_platform.market.timeliness import Lateness, lateness, newest_moment
from energy_platform.operations.batch_history import BatchHistory, SourceLately
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import Settings

_log = logging.getLogger(__name__)

_OWN_LAG: Final = timedelta(minutes=1)
"""What a poll, a tick and a run take of the wall's time at most, when all is well."""


_NAMED: Final = 3
"""Of so many questions without an answer a line says which they are and why."""


class SourceState(StrEnum):
    """A source's state in one word; a feed's own trouble goes before lateness."""

    UNKNOWN = "unknown"
    NEEDS = "needs"
    BACKING_OFF = "backing off"
    FENCED = "fenced"
    WAITING = "waiting"
    LATE = "late"
    FLOWING = "flowing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One market source's state; what is not known is None.

    Attributes:
        landed_offset: Where its landing log ends.
        committed_offset: Up to where the warehouse holds it.
        rows: Rows in the warehouse, every revision counted.
        last_event_at: The newest moment that the platform knows of: the newest row's event time,
            or when it was received, for forecasts and other rows about the future.
        lag_seconds: How long ago that was, in market time.
        expected_lag_seconds: How long ago it may be, or how long after a publication's time.
        is_daily: Whether values are due once a day.
        late: Since when it is late and what is missing; None while it is on time.
        quarantined: Rows and messages in quarantine.
        rows_lately: Rows and messages that were checked in the last hour.
        refused_lately: Those of them that went to quarantine.
        quarantine_rate: Their part; None where nothing was checked.
        drift: How its newest batch differs from the accepted layout.
        needs: Environment variables that are missing.
        detail: The feed's last error in one line, or why nothing is known.
        hot_copy_behind: Why the hot copy lacks rows that the warehouse has; empty where it has all.
        unanswered: The questions that the provider does not answer while it answers others, and
            why it does not.
        questions: How many questions the feed asks.
        batch_failures: How many of its newest batches in a row have failed.
        batch_error: Why the newest of them failed; empty where it did not.
    """

    name: str
    protocol: str
    group: str
    landed_offset: int | None
    committed_offset: int | None
    rows: int | None
    last_event_at: datetime | None
    lag_seconds: float | None
    expected_lag_seconds: float
    is_daily: bool
    late: Lateness | None
    quarantined: int | None
    rows_lately: int
    refused_lately: int
    quarantine_rate: float | None
    drift: tuple[str, ...]
    state: SourceState
    needs: list[str]
    detail: str
    hot_copy_behind: str
    batch_failures: int = 0
    batch_error: str = ""
    unanswered: Mapping[str, str] = field(default_factory=dict)
    questions: int = 0

    @property
    def told_unanswered(self) -> str:
        """The questions that are not answered, in one line; empty where all are."""
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
        WarehouseUnavailableError: Nothing can be said of any source's tables.
    """
    feeds = feed_statuses(settings.home)
    lately = _lately(settings)
    clock = market_clock(settings)
    statuses = [
        _status_or_unknown(
            source,
            settings,
            batches,
            clock=clock,
            feed=feeds.get(source.name, FeedStatus()),
            lately=lately.get(source.name, SourceLately()),
        )
        for source in market_sources().values()
    ]
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
    """Return the status of a source whose rows are of the dates of its test cases, not of today."""
    state = SourceState.FLOWING if status.state is SourceState.LATE else status.state
    return replace(status, late=None, state=state)


def market_clock(settings: Settings) -> MarketClock:
    """Return the simulated market's clock, or the wall clock as one."""
    try:
        simulated = SimulatedMarket.of(settings)
        clock = simulated and simulated.clock()
    except ValueError:
        _log.exception("the simulated market's clock can't be read: lag is counted by the wall's")
        clock = None
    now = datetime.now(UTC)
    return clock or MarketClock(origin=now, started_at=now)


def _lately(settings: Settings) -> Mapping[str, SourceLately]:
    """Return what the batches said lately; nothing where that can't be read."""
    try:
        return BatchHistory(settings.home).lately()
    except Exception:  # noqa: BLE001 (they are the least that a status is made of)
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
) -> SourceStatus:
    """Return a source's status, or that it is not known and why."""
    try:
        return _status(source, settings, batches, clock=clock, feed=feed, lately=lately)
    except WarehouseUnavailableError:
        raise
    except (Exception, PanicException) as error:  # noqa: BLE001 (whatever it is, it is this source's)
        said = str(error).splitlines() or [""]
        return _unknown(source, feed, lately, reason=f"{type(error).__name__}: {said[0]}")


def _status(  # noqa: PLR0913 (a status is put together from all that is known)
    source: MarketSource,
    settings: Settings,
    batches: MicroBatches,
    *,
    clock: MarketClock,
    feed: FeedStatus,
    lately: SourceLately,
) -> SourceStatus:
    summary = batches.warehouse.summary(market_table(source))
    # What was received, was by the wall clock; lag is counted on the market's.
    received_at = summary.last_received_at and clock.at(summary.last_received_at)
    newest = newest_moment(source, summary.last_event_at, received_at)
    now = clock.now()
    # In a market that runs faster, the platform's own minute still is one of the wall's.
    late = lateness(
        source, summary.last_event_at, received_at, now - _OWN_LAG * max(0.0, clock.speed - 1)
    )
    needs = missing_environment(source, settings)
    return SourceStatus(
        name=source.name,
        protocol=source.feed.protocol,
        group=source.group,
        landed_offset=batches.landing.log(source.name).end_offset(),
        committed_offset=summary.committed_offset,
        rows=summary.rows,
        last_event_at=newest,
        lag_seconds=(now - newest).total_seconds() if newest else None,
        expected_lag_seconds=source.expected_lag.total_seconds(),
        is_daily=source.publication is not None,
        late=late,
        quarantined=batches.warehouse.summary(quarantine_table(source)).rows,
        rows_lately=lately.rows,
        refused_lately=lately.refused,
        quarantine_rate=lately.refused / lately.rows if lately.rows else None,
        drift=lately.drift,
        state=_state(feed, needs, newest, late),
        needs=needs,
        detail=feed.detail,
        hot_copy_behind=batches.hot_copies.behind(source, summary.committed_offset),
        unanswered=feed.unanswered,
        questions=feed.questions,
        batch_failures=lately.failures,
        batch_error=lately.error,
    )


def _unknown(
    source: MarketSource, feed: FeedStatus, lately: SourceLately, *, reason: str
) -> SourceStatus:
    return SourceStatus(
        name=source.name,
        protocol=source.feed.protocol,
        group=source.group,
        landed_offset=None,
        committed_offset=None,
        rows=None,
        last_event_at=None,
        lag_seconds=None,
        expected_lag_seconds=source.expected_lag.total_seconds(),
        is_daily=source.publication is not None,
        late=None,
        quarantined=None,
        rows_lately=lately.rows,
        refused_lately=lately.refused,
        quarantine_rate=lately.refused / lately.rows if lately.rows else None,
        drift=lately.drift,
        state=SourceState.UNKNOWN,
        needs=[],
        detail=reason,
        hot_copy_behind="",
        batch_failures=lately.failures,
        batch_error=lately.error,
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
