"""Reports to Dagster what it doesn't materialize itself: landings and hot copies.

It looks at all sources once a minute, beside the micro-batches, and so slows none. An asset is
reported when its offset has changed; the sensor's cursor holds the reported offsets, so that no
tick reports one twice.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from dagster import (
    AssetMaterialization,
    DefaultSensorStatus,
    MetadataValue,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from polars.exceptions import PanicException
from pydantic import BaseModel, TypeAdapter

from energy_platform.errors import HotStoreUnavailableError, WarehouseUnavailableError
from energy_platform.market.clock import MarketClock
from energy_platform.market.source import MarketSource
from energy_platform.operations.reach import Landed, Shown, landed, shown
from energy_platform.operations.status import market_clock
from energy_platform.settings import settings
from resources import Platform
from resources.neighbours import REPORTED_EVERY, hot_copy_key, landing_key


class Reported(BaseModel):
    """A source's state in the last report.

    Attributes:
        landed: The landing offset that was reported.
        shown: The hot copy's offset.
        rows: How many rows the table had then.
    """

    landed: int | None = None
    shown: int | None = None
    rows: int = 0


_CURSOR: Final = TypeAdapter(dict[str, Reported])


def neighbours_sensor(sources: Iterable[MarketSource]) -> SensorDefinition:
    """Return the sensor that reports landings and hot copies, on by default."""
    known = list(sources)

    @sensor(
        name="landing_and_hot_copy_sensor",
        minimum_interval_seconds=int(REPORTED_EVERY.total_seconds()),
        default_status=DefaultSensorStatus.RUNNING,
        description="Reports what landed and what the hot copies show, once a minute at most.",
    )
    def report_neighbours(context: SensorEvaluationContext, platform: Platform) -> SensorResult:
        before = _reported(context)
        looks = _Looks(context, platform, market_clock(settings()))
        now = {source.name: before.get(source.name, Reported()) for source in known}
        events = [event for source in known for event in looks.at(source, now[source.name])]
        return SensorResult(
            asset_events=events,
            cursor=_CURSOR.dump_json(now).decode(),
            skip_reason=SkipReason(f"{len(events)} assets reported"),
        )

    return report_neighbours


def _reported(context: SensorEvaluationContext) -> dict[str, Reported]:
    """Return the cursor's content; nothing if it is empty or from an older release."""
    try:
        return _CURSOR.validate_json(context.cursor or "{}")
    except ValueError as error:
        context.log.warning("all is reported anew, as the cursor can't be read: %s", error)
        return {}


class _Looks:
    """Looks at one source after the other, and never again at a store that is down."""

    def __init__(
        self, context: SensorEvaluationContext, platform: Platform, clock: MarketClock
    ) -> None:
        self._context = context
        self._batches = platform.micro_batches
        self._clock = clock
        self._stores_answer = True

    def at(self, source: MarketSource, reported: Reported) -> Iterator[AssetMaterialization]:
        """Yield the news of a source, and update `reported`; a fault affects only this source."""
        try:
            yield from self._landing(source, reported)
            if self._stores_answer:
                yield from self._hot_copy(source, reported)
        except (HotStoreUnavailableError, WarehouseUnavailableError) as error:
            self._stores_answer = False
            self._context.log.warning("no hot copy is reported: %s", error)
        except (Exception, PanicException) as error:  # noqa: BLE001 (the other sources are reported)
            self._context.log.warning("%s is not reported: %s", source.name, error)

    def _landing(self, source: MarketSource, reported: Reported) -> Iterator[AssetMaterialization]:
        new = landed(self._batches, source, before=reported.landed)
        if new is not None:
            reported.landed = new.offset
            yield AssetMaterialization(landing_key(source), metadata=landing_metadata(new))

    def _hot_copy(self, source: MarketSource, reported: Reported) -> Iterator[AssetMaterialization]:
        new = shown(self._batches, source, self._clock, before=reported.shown)
        if new is not None:
            rows_new = max(0, new.rows - reported.rows)
            reported.shown, reported.rows = new.offset, new.rows
            yield AssetMaterialization(
                hot_copy_key(source), metadata=hot_copy_metadata(new, rows_new=rows_new)
            )


def landing_metadata(new: Landed) -> dict[str, MetadataValue[Any]]:
    """Return the metadata of a landing's report."""
    metadata: dict[str, MetadataValue[Any]] = {
        "dagster/row_count": MetadataValue.int(new.messages),
        "landing_offset": MetadataValue.int(new.offset),
    }
    if new.stored_bytes is not None:
        metadata["stored_bytes"] = MetadataValue.int(new.stored_bytes)
    if new.last_received_at is not None:
        lag = datetime.now(UTC) - new.last_received_at
        metadata["lag_seconds"] = MetadataValue.float(round(lag.total_seconds(), 3))
        metadata["last_received_at"] = MetadataValue.timestamp(new.last_received_at)
    return metadata


def hot_copy_metadata(new: Shown, *, rows_new: int) -> dict[str, MetadataValue[Any]]:
    """Return the metadata of a hot copy's report."""
    metadata: dict[str, MetadataValue[Any]] = {
        "dagster/row_count": MetadataValue.int(rows_new),
        "landing_offset": MetadataValue.int(new.offset),
        "messages": MetadataValue.int(new.messages),
        "messages_behind": MetadataValue.int(new.messages_behind),
        "rows_in_table": MetadataValue.int(new.rows),
    }
    if new.newest_moment is not None and new.lag_seconds is not None:
        metadata["lag_seconds"] = MetadataValue.float(round(new.lag_seconds, 3))
        metadata["newest_event_at"] = MetadataValue.timestamp(new.newest_moment)
    return metadata
