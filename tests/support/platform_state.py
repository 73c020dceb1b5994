"""States of a running platform, made up by hand."""

import os
from datetime import UTC, datetime

from energy_platform.market.timeliness import Lateness
from energy_platform.operations.live_bus import LiveBusStatus
from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.operations.supervision.supervisor import ProcessStatus
from energy_platform.storage.live_bus.protocol import Figures

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

PROCESSES = [
    ProcessStatus("collector", os.getpid(), "RUNNING", 2),
    ProcessStatus("daemon", 0, "BACKOFF", 7),
]
"""One process that runs, and one that does not."""

LIVE_BUS = LiveBusStatus(
    is_up=True,
    trouble="",
    figures=Figures(
        entries=40, used_bytes=5_000, bound_bytes=9_000, followers=2, dropped_followers=1
    ),
    published=30,
    failures=3,
)


def source_status(
    name: str, *, late: bool = False, lag_seconds: float | None = 3.0
) -> SourceStatus:
    """Return the status of a source with a value in every field."""
    return SourceStatus(
        name=name, protocol="REST", group="auctions", landed_offset=12, committed_offset=10,
        rows=100, last_event_at=_NOON, lag_seconds=lag_seconds, expected_lag_seconds=60.0,
        is_daily=False, late=Lateness(since=_NOON, missing="everything is") if late else None,
        quarantined=4, rows_lately=50, refused_lately=5, quarantine_rate=0.1, drift=("a column",),
        state=SourceState.LATE if late else SourceState.FLOWING, needs=[], detail="",
        hot_offset=8, announced_offset=7, hot_copy_behind="2 messages behind the warehouse",
        landing_damage="the newest file is damaged", lost_segments=2,
    )  # fmt: skip
