"""How every market source is doing: what landed, what was stored, how late it is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from energy_platform.collector.service import feed_statuses
from energy_platform.collector.source_task import FeedState, FeedStatus
from energy_platform.market_rows import ForecastRows
from energy_platform.market_session import missing_environment
from energy_platform.market_source import MarketSource
from energy_platform.micro_batch import MicroBatches
from energy_platform.registry import market_sources
from energy_platform.settings import Settings
from energy_platform.tables import market_table, quarantine_table
from energy_platform.warehouse.protocol import TableSummary


class SourceState(StrEnum):
    """A source's state in one word; a feed's own trouble goes before lateness."""

    NEEDS = "needs"
    BACKING_OFF = "backing off"
    FENCED = "fenced"
    WAITING = "waiting"
    LATE = "late"
    FLOWING = "flowing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One market source's state.

    Attributes:
        landed_offset: Where its landing log ends.
        committed_offset: Up to where the warehouse holds it.
        rows: Rows in the warehouse, every revision counted.
        last_event_at: The newest moment that the platform knows of: the newest row's event time,
            or when it was received, for forecasts and other rows about the future.
        lag_seconds: How long ago that was.
        quarantined: Rows and messages in quarantine.
        needs: Environment variables that are missing.
        detail: The feed's last error in one line.
    """

    name: str
    protocol: str
    group: str
    landed_offset: int
    committed_offset: int
    rows: int
    last_event_at: datetime | None
    lag_seconds: float | None
    quarantined: int
    state: SourceState
    needs: list[str]
    detail: str


def source_statuses(settings: Settings, batches: MicroBatches) -> list[SourceStatus]:
    """Return every market source's status, in alphabetical order."""
    feeds = feed_statuses(settings.home)
    return [
        _status(source, settings, batches, feeds.get(source.name, FeedStatus()))
        for source in market_sources().values()
    ]


def _status(
    source: MarketSource, settings: Settings, batches: MicroBatches, feed: FeedStatus
) -> SourceStatus:
    summary = batches.warehouse.summary(market_table(source))
    last_event_at = _last_event_at(source, summary)
    lag = (datetime.now(UTC) - last_event_at).total_seconds() if last_event_at else None
    needs = missing_environment(source, settings)
    return SourceStatus(
        name=source.name,
        protocol=source.feed.protocol,
        group=source.group,
        landed_offset=batches.landing.log(source.name).end_offset(),
        committed_offset=summary.committed_offset,
        rows=summary.rows,
        last_event_at=last_event_at,
        lag_seconds=lag,
        quarantined=batches.warehouse.summary(quarantine_table(source)).rows,
        state=_state(source, feed, needs, lag),
        needs=needs,
        detail=feed.detail,
    )


def _last_event_at(source: MarketSource, summary: TableSummary) -> datetime | None:
    if issubclass(source.rows, ForecastRows):
        return summary.last_received_at
    instants = [at for at in (summary.last_event_at, summary.last_received_at) if at is not None]
    return min(instants, default=None)


def _state(
    source: MarketSource, feed: FeedStatus, needs: list[str], lag: float | None
) -> SourceState:
    if needs:
        return SourceState.NEEDS
    if feed.state in (FeedState.BACKING_OFF, FeedState.FENCED):
        return SourceState(feed.state)
    if lag is None:
        return SourceState.WAITING
    return SourceState.LATE if lag > source.expected_lag.total_seconds() else SourceState.FLOWING
